//! Connections and unfinished requests of each peer address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

/// Prefix length of the IPv6 networks that count as one peer.
const IPV6_PREFIX_BITS: u32 = 64;

/// Bounds of each peer address.
#[derive(Clone, Debug)]
pub struct PeerLimits {
    /// Most connections; 0 is no limit.
    pub max_connections: usize,
    /// Most requests whose responses are not written; 0 is no limit.
    pub max_requests: usize,
    /// Addresses without these limits: proxies stand for many clients.
    pub exempt: Arc<[IpNet]>,
}

/// Counts connections and unfinished requests by address. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peers(Arc<Inner>);

struct Inner {
    limits: PeerLimits,
    peers: Mutex<HashMap<IpAddr, Arc<Load>>>,
}

#[derive(Default)]
struct Load {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// A counted connection.
pub(super) struct PeerConnection {
    peers: Peers,
    address: IpAddr,
    load: Arc<Load>,
}

/// A counted request, until its response is written.
pub(super) struct PeerRequest(Arc<Load>);

/// The peer has reached its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerLimitReached;

impl Peers {
    pub(super) fn new(limits: PeerLimits) -> Self {
        Self(Arc::new(Inner { limits, peers: Mutex::default() }))
    }

    /// Counts a connection; `None` for an address that has no limits.
    pub(super) fn connect(&self, address: IpAddr) -> Result<Option<PeerConnection>, PeerLimitReached> {
        let limits = &self.0.limits;
        let address = address.to_canonical();
        if limits.exempt.iter().any(|network| network.contains(&address)) {
            return Ok(None);
        }
        let address = network_of(address);
        let mut peers = self.lock();
        let load = peers.entry(address).or_default().clone();
        if limits.max_connections > 0 && load.connections.load(Ordering::Relaxed) >= limits.max_connections {
            return Err(PeerLimitReached);
        }
        load.connections.fetch_add(1, Ordering::Relaxed);
        drop(peers);
        Ok(Some(PeerConnection { peers: self.clone(), address, load }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Load>>> {
        self.0.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerConnection {
    /// Counts a request.
    pub(super) fn begin_request(&self) -> Result<PeerRequest, PeerLimitReached> {
        let max = self.peers.0.limits.max_requests;
        let request = PeerRequest(self.load.clone());
        let unfinished = self.load.requests.fetch_add(1, Ordering::Relaxed);
        if max > 0 && unfinished >= max { Err(PeerLimitReached) } else { Ok(request) }
    }
}

impl Drop for PeerConnection {
    fn drop(&mut self) {
        let mut peers = self.peers.lock();
        if self.load.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            peers.remove(&self.address);
        }
    }
}

impl Drop for PeerRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_PREFIX_BITS))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(exempt: &[&str]) -> Peers {
        let exempt = exempt.iter().map(|network| network.parse().expect("a network")).collect();
        Peers::new(PeerLimits { max_connections: 2, max_requests: 3, exempt })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_address_has_its_own_connections_and_they_return() {
        let peers = peers(&[]);
        let first = [peers.connect(address("192.0.2.1")), peers.connect(address("::ffff:192.0.2.1"))];
        assert!(first.iter().all(Result::is_ok));
        assert!(peers.connect(address("192.0.2.1")).is_err());
        assert!(peers.connect(address("192.0.2.2")).is_ok());
        drop(first);
        assert!(peers.connect(address("192.0.2.1")).is_ok());
        assert!(peers.lock().is_empty(), "an address without connections is forgotten");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_peer() {
        let peers = peers(&[]);
        let _held = [peers.connect(address("2001:db8::1")), peers.connect(address("2001:db8::2:0:0:1"))];
        assert!(peers.connect(address("2001:db8:0:0:ffff::1")).is_err());
        assert!(peers.connect(address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn connections_of_a_peer_share_their_requests() {
        let peers = peers(&[]);
        let connections = [1, 2].map(|_| peers.connect(address("192.0.2.1")).expect("free").expect("counted"));
        let requests: Vec<_> = (0..3).map(|at| connections[at % 2].begin_request().expect("free")).collect();
        assert!(connections.iter().all(|connection| connection.begin_request().is_err()));
        drop(requests);
        assert!(connections[0].begin_request().is_ok());
    }

    #[test]
    fn exempt_networks_are_not_counted() {
        let peers = peers(&["127.0.0.0/8", "::1/128"]);
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "::1"] {
            assert!((0..5).all(|_| peers.connect(address(text)).is_ok_and(|counted| counted.is_none())), "{text}");
        }
    }
}
