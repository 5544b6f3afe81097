//! Tokens of identity providers (JWT, RFC 7519, signed as in RFC 7515): who holds one, for which accounts, with which
//! scopes.
//!
//! The signature is checked by `jsonwebtoken` over `ring`; the keys come from the provider's JWKS (`keys`). Alone in
//! knowing an HTTP client. Must never know the store, the vault or a transport, and must never log a token.

mod claims;
mod client;
mod jwk;
mod keys;
mod settings;
mod signature;

use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::{Header, Validation, dangerous, decode, decode_header};
use serde::Deserialize;

pub(crate) use settings::url;
pub use settings::{IssuerSettings, issuers};

use crate::domain::Principal;
use crate::error::{CredentialFault, Denial, Error, Result};
use claims::Claims;
use keys::Keys;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;
/// What a token may say it is (RFC 9068, section 2.1); in front of it may stand `application/`.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// The identity providers whose tokens are taken. Cheap to clone; with none, every token is refused.
#[derive(Clone, Default)]
pub struct Tokens {
    issuers: Arc<[Issuer]>,
}

struct Issuer {
    settings: IssuerSettings,
    keys: Arc<Keys>,
}

/// Why a token is refused. The check is for the log; the client learns the rest.
enum Refusal {
    /// It proves nothing.
    Invalid(&'static str),
    /// It was right until its time was up.
    Expired,
    /// It is right, and for no account.
    NoAccount,
    /// The provider's keys are not at hand.
    NoKeys,
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

impl Tokens {
    /// Takes the tokens of these providers. Asks nothing of them yet.
    ///
    /// # Errors
    /// A sentence for the operator: a file of certificates that cannot be read.
    pub fn new(issuers: Vec<IssuerSettings>) -> std::result::Result<Self, String> {
        signature::install();
        let issuers = issuers.into_iter().map(|settings| {
            let keys = Arc::new(Keys::new(&settings).map_err(|fault| format!("auth.issuers: {fault}"))?);
            Ok(Issuer { settings, keys })
        });
        Ok(Self { issuers: issuers.collect::<std::result::Result<_, String>>()? })
    }

    /// Who holds the token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; [`Error::Forbidden`] for a token that is for no account;
    /// [`Error::IdentityUnavailable`] while the provider's keys are not to be had.
    pub async fn verify(&self, token: &str) -> Result<Arc<Principal>> {
        self.examine(token).await.map_err(|refusal| {
            tracing::debug!(check = %refusal, "token refused");
            refusal.into()
        })
    }

    /// Keeps the keys of every provider fresh; never ends.
    pub async fn follow(&self) {
        join_all(self.issuers.iter().map(|issuer| issuer.keys.follow())).await;
    }

    async fn examine(&self, token: &str) -> std::result::Result<Arc<Principal>, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::Invalid("length"));
        }
        let header = decode_header(token).map_err(|_| Refusal::Invalid("form"))?;
        check_header(&header)?;
        // Not believed yet: it says whose keys to try, and is checked again below the signature.
        let Issued { iss } = dangerous::insecure_decode_claims(token).map_err(|_| Refusal::Invalid("form"))?;
        let issuer = self.issuers.iter().find(|issuer| issuer.settings.issuer == iss);
        issuer.ok_or(Refusal::Invalid("iss"))?.examine(token, &header).await
    }
}

impl Issuer {
    async fn examine(&self, token: &str, header: &Header) -> std::result::Result<Arc<Principal>, Refusal> {
        let settings = &self.settings;
        if !settings.algorithms.contains(&header.alg) {
            return Err(Refusal::Invalid("alg"));
        }
        let kid = header.kid.as_deref();
        let keys = self.keys.current_for(kid).await?;
        if let Some(holder) = keys.holder(token) {
            return Ok(holder);
        }
        let key = keys.find(kid, header.alg).ok_or(Refusal::Invalid("kid"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audience);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Last of all, and by `Claims`: only a token that is right in everything else is called expired.
        validation.validate_exp = false;
        let claims: Claims =
            decode(token, key, &validation).map_err(|error| Refusal::Invalid(claims::check(&error)))?.claims;
        let holder = Arc::new(claims.principal(settings, Utc::now())?);
        keys.remember(token, &holder);
        Ok(holder)
    }
}

/// Refuses what a verifier must understand and this one does not. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are
/// never looked at.
fn check_header(header: &Header) -> std::result::Result<(), Refusal> {
    let essence = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ).to_owned()
    };
    if header.typ.as_deref().is_some_and(|typ| !TYPES.contains(&essence(typ).as_str())) {
        return Err(Refusal::Invalid("typ"));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Refusal::Invalid("crit"));
    }
    Ok(())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid(check) => check,
            Self::Expired => "exp",
            Self::NoAccount => "account_claim",
            Self::NoKeys => "keys",
        })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(_) => Self::Unauthenticated(CredentialFault::Invalid),
            Refusal::Expired => Self::Unauthenticated(CredentialFault::Expired),
            Refusal::NoAccount => Self::Forbidden(Denial::Account),
            Refusal::NoKeys => Self::IdentityUnavailable,
        }
    }
}
