//! How requests prove who makes them, by the modes that the operator turned on.
//!
//! A credential decides when there is one; then the gateway's word; then, in mode `open`, nobody is asked. A credential
//! or a gateway token that is wrong is refused, never passed over for something weaker.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::domain::text::has_deceptive;
use crate::domain::{Actor, Principal};
use crate::error::{CredentialFault, Error, Result};
use crate::service::Services;

/// Carries the token that the gateway proves itself with.
pub const GATEWAY_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-gateway-token");
/// Names the person or program behind a gateway's request, for the audit log.
pub const ACTOR_HEADER: HeaderName = HeaderName::from_static("x-actor-id");

/// The longest actor id made from [`ACTOR_HEADER`], in bytes.
const MAX_HEADER_ACTOR_BYTES: usize = 128;

/// The address a request came from; in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The result of [`Gate::prove`].
pub(super) struct Proof {
    /// `None` when nothing proves the caller.
    pub(super) principal: Option<Arc<Principal>>,
    /// Whether the gateway sent the request or the upgrade. In a request without `connection_init`, only set when the
    /// gateway's headers are the proof.
    pub(super) is_vouched: bool,
    /// Whether the headers carry the proof; `connection_init` or nothing does otherwise.
    pub(super) is_in_headers: bool,
}

/// The modes that are on.
#[derive(Clone)]
pub struct Gate {
    /// `open`: who everyone is that sends no credential.
    pub open: Option<Arc<Principal>>,
    /// `gateway`.
    pub gateway: Option<Gateway>,
    /// `api_key` or `jwt`: the header `Authorization: Bearer` is looked at.
    pub bearer: bool,
}

/// How the gateway is known, and what it may do. With both a token and networks, both must fit.
#[derive(Clone)]
pub struct Gateway {
    /// What [`GATEWAY_TOKEN_HEADER`] must hold.
    pub token: Option<Arc<Zeroizing<String>>>,
    /// Where it connects from.
    pub networks: Arc<[IpNet]>,
    /// Who every request is that it vouches for.
    pub principal: Arc<Principal>,
}

impl Gate {
    /// Returns the credential, and whether the headers carry it. `init` holds what `connection_init` says; it is empty
    /// for an HTTP request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a malformed one, and for two different ones.
    pub(super) fn credential<'a>(
        &self,
        headers: &'a HeaderMap,
        init: &'a HeaderMap,
    ) -> Result<Option<(&'a str, bool)>> {
        let (by_headers, by_init) = (self.bearer_in(headers)?, self.bearer_in(init)?);
        if let (Some(one), Some(other)) = (by_headers, by_init)
            && !bool::from(one.as_bytes().ct_eq(other.as_bytes()))
        {
            return Err(invalid());
        }
        Ok(by_headers.or(by_init).map(|text| (text, by_headers.is_some())))
    }

    /// Proves who makes the request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a credential that proves nothing; [`Error::BadInput`] for an unusable actor; those
    /// of the database.
    pub(super) async fn prove(
        &self,
        credential: Option<(&str, bool)>,
        headers: &HeaderMap,
        init: &HeaderMap,
        peer: Option<Peer>,
        services: &Services,
    ) -> Result<Proof> {
        if let Some((token, is_in_headers)) = credential {
            let principal = Some(services.authenticate(token).await?);
            // A wrong gateway token vouches for nothing; the credential is stronger, so it decides.
            let is_vouched = !init.is_empty() && self.is_vouched(headers, peer).unwrap_or(false);
            return Ok(Proof { principal, is_vouched, is_in_headers });
        }
        let is_vouched = self.is_vouched(headers, peer)?;
        let known =
            if is_vouched { self.gateway.as_ref().map(|gateway| &gateway.principal) } else { self.open.as_ref() };
        let principal = known.map(|principal| named(principal, headers)).transpose()?;
        Ok(Proof { principal, is_vouched, is_in_headers: is_vouched })
    }

    /// Whether the gateway sent the request.
    fn is_vouched(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<bool> {
        self.gateway.as_ref().map_or(Ok(false), |gateway| gateway.vouches(headers, peer))
    }

    /// The text after `Authorization: Bearer` (RFC 6750, section 2.1). Other schemes are somebody else's.
    fn bearer_in<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter().filter(|_| self.bearer);
        let Some(value) = values.next() else { return Ok(None) };
        let (Ok(value), None) = (value.to_str(), values.next()) else { return Err(invalid()) };
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        Ok(scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()))
    }
}

impl Gateway {
    fn vouches(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<bool> {
        let from_there =
            || peer.is_some_and(|Peer(ip)| self.networks.iter().any(|net| net.contains(&ip.to_canonical())));
        if !self.networks.is_empty() && !from_there() {
            return Ok(false);
        }
        let Some(token) = &self.token else { return Ok(true) };
        let mut values = headers.get_all(GATEWAY_TOKEN_HEADER).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(false),
            (Some(given), None) if bool::from(given.as_bytes().ct_eq(token.as_bytes())) => Ok(true),
            _ => Err(invalid()),
        }
    }
}

fn invalid() -> Error {
    Error::Unauthenticated(CredentialFault::Invalid)
}

/// Returns the principal with the actor that the request names, if it names one.
///
/// # Errors
/// [`Error::BadInput`] for an actor that cannot be taken, and for two.
pub(super) fn named(principal: &Arc<Principal>, headers: &HeaderMap) -> Result<Arc<Principal>> {
    let mut values = headers.get_all(ACTOR_HEADER).iter();
    let Some(value) = values.next() else { return Ok(principal.clone()) };
    let (Some(id), None) = (parse_actor(value.as_bytes()), values.next()) else {
        return Err(Error::bad_input(
            "Invalid X-Actor-ID header: send one, in UTF-8 without control, bidirectional and zero-width characters",
        ));
    };
    let actor = Actor { id, ..principal.actor.clone() };
    Ok(Arc::new(Principal { actor, ..Principal::clone(principal) }))
}

/// Reads an actor id: UTF-8 without characters that deceive a reader of the audit log, not empty. Long ones are shortened.
pub(super) fn parse_actor(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_usable = !text.trim().is_empty() && !has_deceptive(text);
    is_usable.then(|| Actor::bounded_id(text, MAX_HEADER_ACTOR_BYTES))
}
