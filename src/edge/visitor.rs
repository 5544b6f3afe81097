//! Whose request it is: the one place where headers become an account and someone who may act for it.

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Span;

use super::gate::Proof;
use super::{
    ACTOR_HEADER, Edge, EdgeState, Failure, GATEWAY_TOKEN_HEADER, Noted, Peer, Permits, Places, RequestId, Standing,
};
use crate::domain::{AccountId, ActorKind, Call, Operation};
use crate::error::{CredentialFault, Denial, Error};
use crate::service::TenantServices;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the account.
pub const ACCOUNT_HEADER: HeaderName = HeaderName::from_static("x-account-id");

/// Who makes a request, and for which account. Made before any handler runs, and in the request's extensions.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// `None` for someone who proved nothing.
    call: Option<Call>,
    /// One that the credential covers.
    account: Option<AccountId>,
    /// With the limits, this request counted; `None` for someone who is not limited.
    standing: Option<Standing>,
    /// `None` where nobody watches.
    noted: Option<Noted>,
}

impl Edge {
    /// Finds the caller and the account of a request with these headers, or of a socket with the upgrade's headers and
    /// those that its `connection_init` gives (empty otherwise).
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a credential that proves nothing; [`Error::AccountInvalid`];
    /// [`Error::Forbidden`] for an account that the credential does not cover, and for a `connection_init` that
    /// contradicts the upgrade; those of the database.
    pub async fn visitor(
        &self,
        headers: &HeaderMap,
        init: &HeaderMap,
        peer: Option<Peer>,
        request_id: &RequestId,
    ) -> Result<Visitor> {
        let proof = self.prove(headers, init, peer).await?;
        let named = named_account(headers, init, &proof)?;
        let principal = proof.principal;
        let account = match (&principal, named) {
            (Some(principal), Some(named)) if !principal.accounts.cover(&named) => {
                self.allowances.spend_refusal(principal)?;
                return Err(Error::Forbidden(Denial::Account));
            }
            (Some(principal), None) => principal.accounts.single().cloned(),
            (_, named) => named,
        };
        let call = principal.map(|principal| Call { principal, request_id: request_id.0.clone() });
        Ok(Visitor { call, account, standing: None, noted: None })
    }

    /// Proves the caller. Failures, and requests without any proof, are counted to the peer.
    async fn prove(&self, headers: &HeaderMap, init: &HeaderMap, peer: Option<Peer>) -> Result<Proof> {
        let found = self.gate.credential(headers, init);
        let text = found.as_ref().ok().copied().flatten().map(|(text, _)| text);
        if let Some(text) = text {
            self.peers.check(peer, text)?;
        }
        let proof = match found {
            Ok(credential) => self.gate.prove(credential, headers, init, peer, &self.services).await,
            Err(error) => Err(error),
        };
        match (&proof, text) {
            (Err(Error::Unauthenticated(_)) | Ok(Proof { principal: None, .. }), _) => self.peers.spend(peer)?,
            (Ok(_), Some(text)) => self.peers.remember(peer, text),
            _ => {}
        }
        proof
    }

    /// Counts one request of the visitor, to be called before it is worked on; its places are held until it is answered.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn count(&self, visitor: &mut Visitor) -> Result<Places> {
        // An account that is only named, by someone who proved nothing, must not pay for it.
        let Some(call) = &visitor.call else { return Ok(Places::default()) };
        let (standing, places) = self.allowances.spend(&call.principal, visitor.account.as_ref(), 1);
        visitor.standing = Some(standing).filter(Standing::is_limited);
        places
    }

    /// Counts an operation on a socket, whose caller is admitted; the permits that it holds until its answer is written.
    ///
    /// # Errors
    /// [`Error::Overloaded`] and [`Error::RateLimited`].
    pub fn begin_operation(&self, visitor: &mut Visitor) -> Result<Permits> {
        let work = self.work.try_acquire(true).ok_or(Error::Overloaded)?;
        Ok(Permits::new(work, self.count(visitor)?))
    }

    /// Has permits count the bytes of an answer on a socket, if it is large; false when too many wait for their readers.
    pub fn try_hold_bytes(&self, permits: &mut Permits, bytes: usize) -> bool {
        permits.try_hold_bytes(&self.unwritten, bytes as u64, true)
    }

    /// Receives the body of a request, and takes the permits that it holds until its response is written. A caller that
    /// is still sending holds none of them.
    async fn begin_work(&self, visitor: &mut Visitor, request: &mut Request) -> Result<Permits, Failure> {
        let has_credential = visitor.call.is_some();
        let body = std::mem::take(request.body_mut());
        let is_received = !body.is_end_stream()
            && !matches!(*request.method(), Method::GET | Method::HEAD)
            && (visitor.may_enter().is_ok() || self.accepts_anonymous_bodies);
        if !is_received {
            drop(body);
            let work = self.work.try_acquire(has_credential).ok_or(Error::Overloaded)?;
            return Ok(Permits::new(work, self.count(visitor)?));
        }
        drop(self.count(visitor)?);
        let bytes = self.bodies.receive(request.headers(), body, has_credential).await?;
        *request.body_mut() = Body::from(bytes);
        let work = self.work.try_acquire(has_credential).ok_or(Error::Overloaded)?;
        let places = match &visitor.call {
            Some(call) => self.allowances.acquire(&call.principal, visitor.account.as_ref())?,
            None => Places::default(),
        };
        Ok(Permits::new(work, places))
    }

    /// Has the response hold the permits; one that is too large beside the others that wait for their readers is refused.
    fn hold_until_written(&self, mut response: Response, mut permits: Permits, has_credential: bool) -> Response {
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        if !permits.try_hold_bytes(&self.unwritten, bytes, has_credential) {
            return Failure::from(Error::Overloaded).into_response();
        }
        response.extensions_mut().insert(permits.shared());
        response
    }

    /// Counts a request that was counted as one as `units` requests.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn count_units(&self, visitor: &mut Visitor, units: usize) -> Result<()> {
        let (Some(call), Some(standing)) = (&visitor.call, &mut visitor.standing) else { return Ok(()) };
        let further = u32::try_from(units.saturating_sub(1)).unwrap_or(u32::MAX);
        if further == 0 {
            return Ok(());
        }
        self.allowances.spend_more(&call.principal, visitor.account.as_ref(), further, standing)
    }

    /// The services of the visitor's account, for one operation.
    ///
    /// # Errors
    /// Those of [`Visitor::may`].
    pub fn enter(&self, visitor: &Visitor, operation: Operation) -> Result<TenantServices> {
        let (account, call) = visitor.may(operation)?;
        Ok(self.services.tenant(account.clone(), call.clone()))
    }

    /// The services of the visitor's account, whatever is to be done with them: every use must ask [`Visitor::may`].
    pub fn services_of(&self, visitor: &Visitor) -> Option<TenantServices> {
        let (account, call) = visitor.account.as_ref().zip(visitor.call.as_ref())?;
        Some(self.services.tenant(account.clone(), call.clone()))
    }
}

impl Visitor {
    /// The account and the call, if there are both.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] or [`Error::AccountRequired`].
    pub fn may_enter(&self) -> Result<(&AccountId, &Call)> {
        let call = self.call.as_ref().ok_or(Error::Unauthenticated(CredentialFault::Missing))?;
        Ok((self.account.as_ref().ok_or(Error::AccountRequired)?, call))
    }

    /// The same, if the operation may be done.
    ///
    /// # Errors
    /// Those of [`Visitor::may_enter`], and [`Error::Forbidden`] for a scope that is lacking.
    pub fn may(&self, operation: Operation) -> Result<(&AccountId, &Call)> {
        if let Some(noted) = &self.noted {
            noted.note_operation(operation);
        }
        let (account, call) = self.may_enter()?;
        let scope = operation.scope();
        match call.principal.scopes.allow(scope) {
            true => Ok((account, call)),
            false => Err(Error::Forbidden(Denial::Scope(scope))),
        }
    }

    /// Whether the caller proved a credential of its own.
    pub fn has_credential(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.principal.actor.kind != ActorKind::Anonymous)
    }

    /// How the visitor stands with the limits; `None` when there are none.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }
}

/// Finds out who makes a request, and counts it, before its handler runs.
pub async fn admit(State(edge): State<EdgeState>, mut request: Request, next: Next) -> Response {
    let (peer, request_id) = (request.extensions().get::<Peer>().copied(), request.extensions().get::<RequestId>());
    let visitor = match request_id {
        Some(request_id) => edge.visitor(request.headers(), &HeaderMap::new(), peer, request_id).await,
        None => Err(Error::Internal { cause: "a request without an id".into() }),
    };
    match visitor {
        Ok(mut visitor) => {
            visitor.noted = request.extensions().get::<Noted>().cloned();
            note(&visitor);
            let has_credential = visitor.call.is_some();
            let begun = edge.begin_work(&mut visitor, &mut request).await;
            let first = visitor.standing;
            let mut response = match begun {
                Ok(permits) => {
                    request.extensions_mut().insert(visitor);
                    edge.hold_until_written(next.run(request).await, permits, has_credential)
                }
                Err(failure) => failure.into_response(),
            };
            // A handler that counted more than one request says how the visitor stands since.
            let standing = response.extensions().get::<Standing>().copied().or(first);
            if let Some(standing) = standing {
                edge.allowances.tell(&standing, response.headers_mut());
            }
            response
        }
        Err(error) => Failure::from(error).into_response(),
    }
}

/// Puts account and actor into the request's span, and the account where it is watched from outside.
fn note(visitor: &Visitor) {
    let span = Span::current();
    if let Some(account) = &visitor.account {
        if let Some(noted) = &visitor.noted {
            noted.note_account(account);
        }
        span.record("account", account.as_str());
    }
    if let Some(call) = &visitor.call {
        let actor = &call.principal.actor;
        span.record("actor", actor.kind.as_str());
        if !actor.id.is_empty() {
            span.record("actor_id", &actor.id);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let visitor = parts.extensions.get::<Self>().cloned();
        visitor.ok_or_else(|| Error::Internal { cause: "a route that admits nobody".into() }.into())
    }
}

/// Decides which account a request or a socket names: who proves the caller decides who may name the account.
///
/// Where the upgrade's headers carry the proof and name an account, `connection_init` may only repeat it. Where the
/// gateway sent the upgrade, `connection_init` adds nothing to the gateway's headers either.
fn named_account(headers: &HeaderMap, init: &HeaderMap, proof: &Proof) -> Result<Option<AccountId>> {
    let (by_headers, by_init) = (account_in(headers)?, account_in(init)?);
    let is_contradicted = proof.is_vouched && contradicts_gateway(headers, init);
    match (by_headers, by_init) {
        _ if is_contradicted => Err(Error::Forbidden(Denial::InitContradiction)),
        (by_headers, None) => Ok(by_headers),
        (Some(one), Some(other)) if one != other && (proof.is_in_headers || proof.is_vouched) => {
            Err(Error::Forbidden(Denial::InitContradiction))
        }
        // The gateway's headers are the proof, and they name no account.
        (None, Some(_)) if proof.is_vouched && proof.is_in_headers => Err(Error::Forbidden(Denial::InitContradiction)),
        (_, by_init) => Ok(by_init),
    }
}

/// Whether `connection_init` gives a gateway token, or an actor other than the gateway's.
fn contradicts_gateway(headers: &HeaderMap, init: &HeaderMap) -> bool {
    let is_repeated = |value| headers.get_all(ACTOR_HEADER).iter().eq([value]);
    init.contains_key(GATEWAY_TOKEN_HEADER) || !init.get_all(ACTOR_HEADER).iter().all(is_repeated)
}

/// The account that the headers name; `None` when they name none.
pub(super) fn account_in(headers: &HeaderMap) -> Result<Option<AccountId>> {
    let mut values = headers.get_all(ACCOUNT_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let account = value.to_str().ok().and_then(AccountId::parse);
    match (account, values.next()) {
        (Some(account), None) => Ok(Some(account)),
        _ => Err(Error::AccountInvalid),
    }
}
