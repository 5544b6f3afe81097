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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::{Header, Validation, dangerous, decode, decode_header};
use serde::Deserialize;

pub use settings::{IssuerSettings, issuers};

use crate::domain::{AccountId, Principal};
use crate::error::{CredentialFault, Denial, Error, Result};
use claims::Claims;
use keys::{Held, Keys};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;
/// The check of [`Refusal::Invalid`] that another key may pass.
const SIGNATURE: &str = "signature";
/// The least time between two warnings about claims.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
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
    /// It is right, and its account claim holds something else than account ids.
    AccountClaim(Arc<str>),
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
            match &refusal {
                // Signed by the provider: its claims are at fault, and the operator's settings can help.
                Refusal::AccountClaim(claim) if is_warning_due() => {
                    tracing::warn!(%claim, grammar = AccountId::GRAMMAR, "a token's account claim has no account ids");
                }
                _ => tracing::debug!(check = %refusal, "token refused"),
            }
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
        match (self.check(&keys, token, header), kid) {
            // The provider may have replaced the key under the same name.
            (Err(Refusal::Invalid(SIGNATURE)), Some(_)) => match self.keys.newer_than(&keys).await {
                Some(newer) => self.check(&newer, token, header),
                None => Err(Refusal::Invalid(SIGNATURE)),
            },
            (checked, _) => checked,
        }
    }

    /// Checks the token with each key that fits its header, and remembers its holder.
    fn check(&self, keys: &Held, token: &str, header: &Header) -> std::result::Result<Arc<Principal>, Refusal> {
        let settings = &self.settings;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audience);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Last of all, and by `Claims`: only a token that is right in everything else is called expired.
        validation.validate_exp = false;
        let mut refusal = Refusal::Invalid("kid");
        let mut verified = None;
        for key in keys.find(header.kid.as_deref(), header.alg) {
            match decode::<Claims>(token, key, &validation) {
                Ok(data) => {
                    verified = Some(data.claims);
                    break;
                }
                Err(error) => refusal = Refusal::Invalid(claims::check(&error)),
            }
            // Another key cannot change any other verdict.
            if !matches!(refusal, Refusal::Invalid(SIGNATURE)) {
                break;
            }
        }
        let claims = verified.ok_or(refusal)?;
        let holder = Arc::new(claims.principal(settings, Utc::now())?);
        keys.remember(token, &holder);
        Ok(holder)
    }
}

/// Whether a warning about a token's claims may be logged: at most one a minute.
fn is_warning_due() -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = last.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
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
            Self::NoAccount | Self::AccountClaim(_) => "account_claim",
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
            Refusal::AccountClaim(claim) => Self::AccountClaimInvalid { claim },
            Refusal::NoKeys => Self::IdentityUnavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "http://127.0.0.1:9";

    /// An issuer with its keys, and its private key.
    struct House {
        issuer: Issuer,
        held: Held,
        pair: Ed25519KeyPair,
    }

    static HOUSE: LazyLock<House> = LazyLock::new(|| {
        signature::install();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("key");
        let settings = json!([{"issuer": ISSUER, "audience": ["patchbay"], "account_claim": "org",
                               "algorithms": ["EdDSA"]}]);
        let settings = issuers(&settings.to_string()).expect("settings").remove(0);
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x});
        let keys = Arc::new(Keys::new(&settings).expect("keys"));
        House { issuer: Issuer { settings, keys }, held: Held::new(jwk::Key::of(&jwk).into_iter().collect()), pair }
    });

    fn sign(header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = HOUSE.pair.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims() -> Value {
        json!({"iss": ISSUER, "aud": "patchbay", "sub": "zoe", "exp": Utc::now().timestamp() + 3_600, "org": "acme"})
    }

    /// Examines a token without a fetch.
    fn examine(token: &str) -> std::result::Result<Arc<Principal>, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid("form"))?;
        check_header(&header)?;
        HOUSE.issuer.check(&HOUSE.held, token, &header)
    }

    fn usual() -> String {
        sign(&json!({"alg": "EdDSA", "kid": "a", "typ": "JWT"}), &claims())
    }

    #[test]
    fn the_usual_token_is_taken() {
        assert!(examine(&usual()).is_ok());
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), with in "[ -~]{0,3}", cut in 0..3_usize) {
            let token = usual();
            let start = at.index(token.len());
            let end = (start + cut).min(token.len());
            let changed = format!("{}{with}{}", &token[..start], &token[end..]);
            prop_assert!(changed == token || examine(&changed).is_err(), "{changed}");
        }

        #[test]
        fn any_text_is_refused(text in "\\PC{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_=-]{0,40}", 0..5)) {
            prop_assert!(examine(&text).is_err() && examine(&parts.join(".")).is_err());
        }

        #[test]
        fn any_signed_header_and_claims_give_a_bounded_principal_or_are_refused(
            kid in prop::option::of("[ab]{0,2}"),
            sub in "\\PC{0,300}",
            org in prop_oneof!["[a-zA-Z0-9_-]{0,70}".prop_map(Value::from), any::<i64>().prop_map(Value::from),
                               proptest::collection::vec("[a-z]{0,3}", 0..4).prop_map(Value::from)],
            scope in "(patchbay:)?(admin|keys:write|[a-z: ]{0,20})",
        ) {
            let mut all = claims();
            (all["sub"], all["org"], all["scope"]) = (sub.into(), org, scope.clone().into());
            let header = kid.map_or(json!({"alg": "EdDSA"}), |kid| json!({"alg": "EdDSA", "kid": kid}));
            if let Ok(principal) = examine(&sign(&header, &all)) {
                prop_assert!(principal.actor.id.len() <= crate::domain::MAX_ACTOR_ID_BYTES);
                prop_assert!(matches!(&principal.accounts, crate::domain::Accounts::Only(some) if !some.is_empty()));
                let is_admin = principal.scopes.first_beyond(crate::domain::Scopes::ADMIN).is_none();
                prop_assert_eq!(is_admin, scope.split_ascii_whitespace().any(|word| word == "patchbay:admin"));
            }
        }
    }
}
