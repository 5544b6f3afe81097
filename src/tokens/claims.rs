//! From claims that a provider signed to someone with accounts and scopes.

use std::fmt;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::{Error, ErrorKind};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::settings::{ClaimPath, IssuerSettings};
use super::{Refusal, SIGNATURE};
use crate::domain::text::{has_deceptive, is_deceptive};
use crate::domain::{AccountId, Accounts, Actor, ActorKind, MAX_ACTOR_ID_BYTES, Principal, Scope, Scopes};

/// The longest `sub` (OpenID Connect Core 1.0, section 2), in bytes.
const LONGEST_SUBJECT: usize = 255;
/// What is kept of a name, in characters.
const LABEL_CHARS: usize = 100;
/// Marks a scope of a foreign claim as meant for this server.
const SCOPE_PREFIX: &str = "patchbay:";
/// Where a name is looked for when the operator does not say.
const LABELS: [&str; 2] = ["/email", "/name"];

/// The claims of a token, none of them given twice.
#[derive(Debug)]
pub(super) struct Claims(Value);

impl Claims {
    /// Who the token is for, if its time is now.
    pub(super) fn principal(&self, settings: &IssuerSettings, now: DateTime<Utc>) -> Result<Principal, Refusal> {
        let actor = self.actor(settings)?;
        let scopes = self.scopes(settings)?;
        let expires_at = self.check_time(now, settings.clock_skew_s)?;
        let accounts = self.accounts(&settings.account_claim)?;
        Ok(Principal { actor, accounts, scopes, expires_at: Some(expires_at), rate: None })
    }

    /// The subject is the issuer's to name: only both together name one holder.
    fn actor(&self, settings: &IssuerSettings) -> Result<Actor, Refusal> {
        let subject = self.0["sub"].as_str().ok_or(Refusal::Invalid("sub"))?;
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || has_deceptive(subject) {
            return Err(Refusal::Invalid("sub"));
        }
        let named = match &settings.label_claim {
            Some(path) => self.at(path).and_then(Value::as_str),
            None => LABELS.iter().find_map(|pointer| self.0.pointer(pointer)?.as_str()),
        };
        let label = named.unwrap_or_default().chars().filter(|c| !is_deceptive(*c)).take(LABEL_CHARS).collect();
        let id = Actor::bounded_id(&format!("{}#{subject}", settings.issuer), MAX_ACTOR_ID_BYTES);
        Ok(Actor { kind: ActorKind::Token, id, label })
    }

    /// One account, or a list. There is no word for all of them.
    fn accounts(&self, path: &ClaimPath) -> Result<Accounts, Refusal> {
        let Some(claim) = self.at(path) else { return Err(Refusal::NoAccount) };
        let names = words(claim, |text| vec![text]);
        let accounts: Option<Vec<_>> = names.and_then(|names| names.into_iter().map(AccountId::parse).collect());
        let mut accounts = accounts.ok_or_else(|| Refusal::AccountClaim(path.pointer().into()))?;
        accounts.sort();
        accounts.dedup();
        if accounts.is_empty() { Err(Refusal::NoAccount) } else { Ok(Accounts::Only(accounts.into())) }
    }

    /// Words that mean nothing here are meant for others. Without a map, `admin` may be meant for others, too: only
    /// `patchbay:admin` gives it.
    fn scopes(&self, settings: &IssuerSettings) -> Result<Scopes, Refusal> {
        let Some(claim) = self.at(&settings.scope_claim) else { return Ok(Scopes::NONE) };
        let words =
            words(claim, |text| text.split_ascii_whitespace().collect()).ok_or(Refusal::Invalid("scope_claim"))?;
        Ok(match &settings.scope_map {
            None => words.into_iter().filter_map(unmapped_scope).collect(),
            Some(map) => words.into_iter().filter_map(|word| map.get(word)).flat_map(|scopes| scopes.iter()).collect(),
        })
    }

    /// When the token ends, if it has begun and has not ended: from `nbf` on and before `exp` (RFC 7519, section 4.1),
    /// with clocks that may be `skew` seconds apart.
    fn check_time(&self, now: DateTime<Utc>, skew: u64) -> Result<DateTime<Utc>, Refusal> {
        let skew = skew as f64;
        let now = now.timestamp_millis() as f64 / 1000.0;
        for (name, check) in [("nbf", Refusal::Invalid("nbf")), ("iat", Refusal::Invalid("iat"))] {
            match &self.0[name] {
                Value::Null => {}
                claim if claim.as_f64().is_some_and(|from| from <= now + skew) => {}
                _ => return Err(check),
            }
        }
        let end = self.0["exp"].as_f64().ok_or(Refusal::Invalid("exp"))?;
        if now >= end + skew {
            return Err(Refusal::Expired);
        }
        DateTime::from_timestamp(end as i64, 0).ok_or(Refusal::Invalid("exp"))
    }

    fn at(&self, path: &ClaimPath) -> Option<&Value> {
        self.0.pointer(path.pointer()).filter(|value| !value.is_null())
    }
}

/// Reads a scope without a map: with the prefix `patchbay:`, or, unless it is `admin`, without.
fn unmapped_scope(word: &str) -> Option<Scope> {
    match word.strip_prefix(SCOPE_PREFIX) {
        Some(own) => Scope::parse(own),
        None => Scope::parse(word).filter(|scope| *scope != Scope::Admin),
    }
}

/// The words of a text or of a list of texts; `None` for anything else.
fn words<'a>(claim: &'a Value, split: impl Fn(&'a str) -> Vec<&'a str>) -> Option<Vec<&'a str>> {
    match claim {
        Value::String(text) => Some(split(text)),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// The check that a token failed, for the log.
pub(super) fn check(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => SIGNATURE,
        ErrorKind::InvalidAudience => "aud",
        ErrorKind::InvalidIssuer => "iss",
        ErrorKind::MissingRequiredClaim(_) => "a claim that must be there",
        _ => "form",
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Claims, A::Error> {
        let mut claims = Map::new();
        while let Some((name, value)) = source.next_entry::<String, Value>()? {
            if claims.insert(name, value).is_some() {
                return Err(de::Error::custom("a claim is given twice"));
            }
        }
        Ok(Claims(Value::Object(claims)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Half a second past.
    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_000_500).expect("time")
    }

    #[test]
    fn time_is_checked_to_the_edge() {
        for (claims, skew, is_right) in [
            (json!({"exp": 1001}), 0, true),
            (json!({"exp": 1000.6}), 0, true),
            (json!({"exp": 1000.5}), 0, false),
            (json!({"exp": 1000}), 0, false),
            (json!({"exp": 971}), 30, true),
            (json!({"exp": 970.5}), 30, false),
            (json!({"exp": 2000, "nbf": 1000.5, "iat": 1000.5}), 0, true),
            (json!({"exp": 2000, "nbf": 1001}), 0, false),
            (json!({"exp": 2000, "iat": 1001}), 0, false),
            (json!({"exp": 2000, "nbf": 1030.5, "iat": 1030.5}), 30, true),
            (json!({"exp": 2000, "nbf": 1031}), 30, false),
            (json!({"exp": 2000, "iat": 1031}), 30, false),
        ] {
            assert_eq!(Claims(claims.clone()).check_time(now(), skew).is_ok(), is_right, "{claims} {skew}");
        }
    }

    #[test]
    fn only_a_prefixed_scope_is_admin_without_a_map() {
        for (word, scope) in [
            ("admin", None),
            ("patchbay:admin", Some(Scope::Admin)),
            ("catalog:read", Some(Scope::CatalogRead)),
            ("patchbay:catalog:read", Some(Scope::CatalogRead)),
            ("patchbay:patchbay:admin", None),
            ("Patchbay:admin", None),
            ("openid", None),
        ] {
            assert_eq!(unmapped_scope(word), scope, "{word}");
        }
    }

    #[test]
    fn only_a_token_that_ended_is_called_expired() {
        let time = |claims| Claims(claims).check_time(now(), 0);
        assert!(matches!(time(json!({"exp": 999})), Err(Refusal::Expired)));
        for bad in [json!({}), json!({"exp": "2000"}), json!({"exp": 999, "nbf": 1001}), json!({"exp": 1e18})] {
            assert!(matches!(time(bad.clone()), Err(Refusal::Invalid(_))), "{bad}");
        }
    }
}
