//! Limits callers without a proven credential, by peer address.
//!
//! Each failure (a wrong credential, or none where one is needed) takes one unit of the peer's allowance, which comes
//! back evenly. While nothing is left, a credential is looked up only if it proved itself here before. Loopback and the
//! exempt networks stand for many callers and are not limited.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use quick_cache::sync::Cache;

use super::Peer;
use crate::domain::limits::{LimitHolder, Reached, Window};
use crate::error::{Error, Result};

/// Peers that are remembered, about 100 bytes each. The least used ones are forgotten and start with a full allowance.
const MAX_PEERS: usize = 50_000;
/// Proven credentials that are remembered, by keyed hash.
const MAX_PROVEN: usize = 50_000;
/// The time in which a spent allowance is full again.
const WINDOW: Duration = Duration::from_secs(60);

/// The limiter of one server. Cheap to clone.
#[derive(Clone, Default)]
pub struct PeerLimiter(Option<Arc<Inner>>);

struct Inner {
    limit: NonZeroU32,
    exempt: Arc<[IpNet]>,
    started: Instant,
    hasher: RandomState,
    /// By network: the instant at which the allowance is full again, in nanoseconds since the start (GCRA).
    peers: Cache<IpAddr, Arc<AtomicU64>>,
    proven: Cache<u64, ()>,
}

impl PeerLimiter {
    /// Allows `failures_per_minute` failures for each peer address (IPv6: /64 network); 0 is no limit.
    pub fn new(failures_per_minute: u32, exempt: Arc<[IpNet]>) -> Self {
        Self(NonZeroU32::new(failures_per_minute).map(|limit| {
            Arc::new(Inner {
                limit,
                exempt,
                started: Instant::now(),
                hasher: RandomState::new(),
                peers: Cache::new(MAX_PEERS),
                proven: Cache::new(MAX_PROVEN),
            })
        }))
    }

    /// Refuses to look a credential up for a peer that has nothing left, unless the credential is proven.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(super) fn check(&self, peer: Option<Peer>, credential: &str) -> Result<()> {
        let Some((inner, network)) = self.limited(peer) else { return Ok(()) };
        let Some(allowance) = inner.peers.get(&network) else { return Ok(()) };
        if inner.proven.get(&inner.hasher.hash_one(credential)).is_some() {
            return Ok(());
        }
        inner.fits(allowance.load(Ordering::Relaxed), inner.now()).map(drop)
    }

    /// Takes one unit for a failure of the peer.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when nothing is left.
    pub(super) fn spend(&self, peer: Option<Peer>) -> Result<()> {
        let Some((inner, network)) = self.limited(peer) else { return Ok(()) };
        let Ok(allowance) = inner.peers.get_or_insert_with(&network, || Ok::<_, Infallible>(Arc::default()));
        let now = inner.now();
        let mut full_at = allowance.load(Ordering::Relaxed);
        loop {
            let next = inner.fits(full_at, now)?;
            match allowance.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            }
        }
    }

    /// Remembers a credential that proved its caller.
    pub(super) fn remember(&self, peer: Option<Peer>, credential: &str) {
        let Some((inner, _)) = self.limited(peer) else { return };
        let hash = inner.hasher.hash_one(credential);
        if inner.proven.get(&hash).is_none() {
            inner.proven.insert(hash, ());
        }
    }

    /// The network of a peer that is limited.
    fn limited(&self, peer: Option<Peer>) -> Option<(&Inner, IpAddr)> {
        let inner = self.0.as_deref()?;
        let address = peer?.0.to_canonical();
        let is_exempt = address.is_loopback() || inner.exempt.iter().any(|network| network.contains(&address));
        (!is_exempt).then(|| (inner, network_of(address)))
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns when the allowance is full again after one unit more.
    fn fits(&self, full_at: u64, now: u64) -> Result<u64> {
        let window = WINDOW.as_nanos() as u64;
        let next = full_at.max(now) + window / u64::from(self.limit.get());
        let wait = next.saturating_sub(now + window);
        if wait == 0 {
            return Ok(next);
        }
        let reached = Reached { limit: self.limit.get(), window: Some(Window::Minute), holder: LimitHolder::Peer };
        Err(Error::RateLimited { reached, retry_after: wait.div_ceil(1_000_000_000) })
    }
}

/// An IPv4 address, or the /64 network of an IPv6 address: one subscriber usually has all of it.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<Peer> {
        Some(Peer(text.parse().expect("address")))
    }

    fn limiter() -> PeerLimiter {
        PeerLimiter::new(3, Arc::from(["10.0.0.0/8".parse().expect("network")]))
    }

    fn drain(limiter: &PeerLimiter, peer: Option<Peer>) -> usize {
        (0..10).take_while(|_| limiter.spend(peer).is_ok()).count()
    }

    #[test]
    fn failures_spend_the_allowance_of_their_network() {
        let limiter = limiter();
        assert_eq!(drain(&limiter, peer("192.0.2.1")), 3);
        assert_eq!(drain(&limiter, peer("::ffff:192.0.2.1")), 0, "the same address");
        assert_eq!(drain(&limiter, peer("192.0.2.2")), 3);
        assert_eq!(drain(&limiter, peer("2001:db8::1")), 3);
        assert_eq!(drain(&limiter, peer("2001:db8::ffff:1")), 0, "the same /64 network");
        assert_eq!(drain(&limiter, peer("2001:db8:0:1::1")), 3);
    }

    #[test]
    fn loopback_and_exempt_networks_have_no_limit() {
        let limiter = limiter();
        for many in ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"] {
            assert_eq!(drain(&limiter, peer(many)), 10, "{many}");
        }
        assert_eq!(drain(&limiter, None), 10);
        assert_eq!(drain(&PeerLimiter::new(0, Arc::from([])), peer("192.0.2.1")), 10);
    }

    #[test]
    fn a_proven_credential_passes_when_nothing_is_left() {
        let (limiter, address) = (limiter(), peer("192.0.2.1"));
        limiter.remember(address, "proven");
        assert!(limiter.check(address, "unknown").is_ok());
        drain(&limiter, address);
        assert!(limiter.check(address, "proven").is_ok());
        match limiter.check(address, "unknown") {
            Err(Error::RateLimited { reached, retry_after }) => {
                assert_eq!((reached.limit, reached.holder), (3, LimitHolder::Peer));
                assert!((1..=20).contains(&retry_after), "{retry_after}");
            }
            other => panic!("{other:?}"),
        }
        assert!(limiter.check(peer("192.0.2.9"), "unknown").is_ok());
    }

    #[test]
    fn an_allowance_comes_back_evenly() {
        let limiter = limiter();
        let inner = limiter.0.as_deref().expect("on");
        let second = 1_000_000_000;
        let full_at = [0, 0, 0].iter().fold(0, |full_at, _: &i32| inner.fits(full_at, 0).expect("fits"));
        assert!(inner.fits(full_at, 19 * second).is_err());
        let next = inner.fits(full_at, 20 * second).expect("one came back");
        assert!(inner.fits(next, 20 * second).is_err());
    }

    #[test]
    fn memory_is_bounded_however_many_peers_fail() {
        let limiter = limiter();
        for i in 0..200_000_u32 {
            let _ = limiter.spend(Some(Peer(IpAddr::from((0xC000_0000_u32 + i).to_be_bytes()))));
        }
        assert!(limiter.0.expect("on").peers.len() <= MAX_PEERS);
    }
}
