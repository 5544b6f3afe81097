//! What the operator says of each identity provider.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hyper::Uri;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::{Deserialize, Deserializer, de};

use crate::domain::{Scope, Scopes, pointer};
use crate::outbound;

/// The longest `iss`, in bytes; it is part of the actor's id.
const LONGEST_ISSUER: usize = 255;
/// The most that the provider's clock may be off, in seconds.
const MOST_SKEW: u64 = 300;
/// The longest time between two fetches of the keys, in seconds.
const LONGEST_TTL: u64 = 86_400;

/// One identity provider, one item of `auth.issuers`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// What `iss` must be, to the letter.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audience: Vec<String>,
    /// Where the keys are; by OpenID Connect Discovery when not given.
    pub jwks_url: Option<String>,
    /// Certificates (PEM) to know the provider's server by, instead of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// How tokens may be signed.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// How far the provider's clock may be off, in seconds.
    #[serde(default = "usual_skew")]
    pub clock_skew_s: u64,
    /// How often the keys are fetched again, in seconds.
    #[serde(default = "usual_ttl")]
    pub jwks_ttl_s: u64,
    /// Where the account or the list of accounts stands.
    pub account_claim: ClaimPath,
    /// Where the scopes stand: words with spaces between, or a list.
    #[serde(default = "usual_scope_claim")]
    pub scope_claim: ClaimPath,
    /// What each word of `scope_claim` allows; without it, scopes are written as ours.
    #[serde(default, deserialize_with = "scope_map")]
    pub scope_map: Option<BTreeMap<String, Scopes>>,
    /// What people call the holder; `email` or `name` when not given.
    pub label_claim: Option<ClaimPath>,
}

/// Where in the claims a value stands: `/org/id` (JSON Pointer, RFC 6901), `org.id` the same, or a URL that is the
/// name of one claim.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct ClaimPath(String);

impl ClaimPath {
    /// As a JSON Pointer.
    pub fn pointer(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClaimPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match &*text {
            "" => Err("name a claim, for instance \"org.id\""),
            whole if whole.starts_with('/') => Ok(Self(text)),
            url if url.contains("://") => Ok(Self(pointer::step(url))),
            dotted if dotted.split('.').any(str::is_empty) => Err("a name between the dots is missing"),
            dotted => Ok(Self(dotted.split('.').map(pointer::step).collect())),
        }
    }
}

fn usual_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256]
}

const fn usual_skew() -> u64 {
    30
}

const fn usual_ttl() -> u64 {
    300
}

fn usual_scope_claim() -> ClaimPath {
    ClaimPath("/scope".into())
}

fn scope_map<'de, D: Deserializer<'de>>(source: D) -> Result<Option<BTreeMap<String, Scopes>>, D::Error> {
    let words: BTreeMap<String, Vec<String>> = Deserialize::deserialize(source)?;
    let scope = |word: &String| {
        Scope::parse(word).ok_or_else(|| {
            let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            de::Error::custom(format!("{word:?} is no scope: allowed are {}", all.join(", ")))
        })
    };
    let scopes = |(word, list): (String, Vec<String>)| Ok((word, list.iter().map(scope).collect::<Result<_, _>>()?));
    words.into_iter().map(scopes).collect::<Result<_, _>>().map(Some)
}

/// The providers in a JSON list; empty text is an empty list.
///
/// # Errors
/// A sentence that names the issuer by its place, the field and the cure.
pub fn issuers(text: &str) -> Result<Vec<IssuerSettings>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let items: Vec<serde_json::Value> = serde_json::from_str(text)
        .map_err(|_| "allowed: a list of tables, [[auth.issuers]] in the file or a JSON list elsewhere")?;
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("issuer {}", at + 1);
        let issuer: IssuerSettings =
            serde_path_to_error::deserialize(item).map_err(|error| match &*error.path().to_string() {
                "." => format!("{place}: {}", error.inner()),
                path => format!("{place}, {path}: {}", error.inner()),
            })?;
        issuer.check().map_err(|fault| format!("{place}, {fault}"))?;
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            return Err(format!("{place}, issuer: named before; give it once"));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

impl IssuerSettings {
    fn check(&self) -> Result<(), String> {
        if self.issuer.len() > LONGEST_ISSUER {
            return Err(format!("issuer: longer than {LONGEST_ISSUER} bytes"));
        }
        let place = url(&self.issuer).map_err(|fault| format!("issuer: {fault}"))?;
        if place.query().is_some() || self.issuer.contains('#') {
            return Err("issuer: must have neither ? nor #".into());
        }
        if let Some(text) = &self.jwks_url {
            url(text).map_err(|fault| format!("jwks_url: {fault}"))?;
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err("audience: name what stands in aud of tokens that are meant for this server".into());
        }
        if self.algorithms.is_empty() || self.algorithms.iter().any(|alg| alg.family() == AlgorithmFamily::Hmac) {
            return Err(
                "algorithms: allowed are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA".into()
            );
        }
        if self.clock_skew_s > MOST_SKEW {
            return Err(format!("clock_skew_s: allowed are 0 to {MOST_SKEW}"));
        }
        if !(1..=LONGEST_TTL).contains(&self.jwks_ttl_s) {
            return Err(format!("jwks_ttl_s: allowed are 1 to {LONGEST_TTL}"));
        }
        Ok(())
    }

    /// Where keys or, without `jwks_url`, the discovery document are to be fetched.
    pub(super) fn place(&self) -> Result<Uri, String> {
        match &self.jwks_url {
            Some(text) => url(text),
            None => url(&format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))),
        }
    }
}

/// A URL to fetch from: encrypted, unless it never leaves this machine.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let uri = outbound::service_url(text)?;
    let refusal = "must start with https:// (http:// only for this machine itself)";
    if outbound::is_exposed(&uri) { Err(refusal.into()) } else { Ok(uri) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn with(field: &str, value: Value) -> String {
        let mut issuer =
            json!({"issuer": "https://id.example.com", "audience": ["patchbay"], "account_claim": "org.id"});
        match value {
            Value::Null => drop(issuer.as_object_mut().expect("object").remove(field)),
            value => issuer[field] = value,
        }
        json!([issuer]).to_string()
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let issuer = issuers(&with("scope_map", json!({"read": ["catalog:read"]}))).expect("fits").remove(0);
        assert_eq!(issuer.algorithms, [Algorithm::RS256, Algorithm::ES256]);
        assert_eq!((issuer.clock_skew_s, issuer.jwks_ttl_s), (30, 300));
        assert_eq!((issuer.scope_claim.pointer(), issuer.account_claim.pointer()), ("/scope", "/org/id"));
        assert_eq!(issuer.place().expect("URL"), "https://id.example.com/.well-known/openid-configuration");
        assert!(issuers("").expect("none").is_empty() && issuers("[]").expect("none").is_empty());
    }

    #[test]
    fn a_path_is_a_pointer_dotted_or_the_url_that_is_a_name() {
        for (text, pointer) in [
            ("account", "/account"),
            ("a.b", "/a/b"),
            ("/a.b/0", "/a.b/0"),
            ("https://example.com/accounts", "/https:~1~1example.com~1accounts"),
        ] {
            assert_eq!(ClaimPath::try_from(text.to_owned()).expect(text).pointer(), pointer);
        }
        for bad in ["", ".", "a..b", "a."] {
            assert!(ClaimPath::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fault_names_the_issuer_the_field_and_the_cure() {
        for (field, value, fault) in [
            ("issuer", Value::Null, "issuer 1: missing field `issuer`"),
            ("issuer", json!("http://id.example.com"), "issuer 1, issuer: must start with https://"),
            ("issuer", json!("id.example.com"), "issuer 1, issuer: must "),
            ("issuer", json!("https://u:p@id.example.com"), "no user name"),
            ("issuer", json!("https://id.example.com?a=b"), "neither ? nor #"),
            ("jwks_url", json!("http://10.0.0.1/keys"), "issuer 1, jwks_url: must start with https://"),
            ("jwks_url", json!("file:///etc/passwd"), "issuer 1, jwks_url: must "),
            ("audience", json!([]), "issuer 1, audience: name what stands in aud"),
            ("audience", json!("patchbay"), "issuer 1, audience: invalid type"),
            ("algorithms", json!(["HS256"]), "issuer 1, algorithms: allowed are RS256"),
            ("algorithms", json!(["none"]), "issuer 1, algorithms[0]: unknown variant `none`"),
            ("clock_skew_s", json!(301), "issuer 1, clock_skew_s: allowed are 0 to 300"),
            ("jwks_ttl_s", json!(0), "issuer 1, jwks_ttl_s: allowed are 1 to 86400"),
            ("account_claim", json!("a..b"), "issuer 1, account_claim: a name between the dots is missing"),
            ("scope_map", json!({"read": ["everything"]}), "issuer 1, scope_map: \"everything\" is no scope"),
            ("colour", json!("red"), "issuer 1, colour: unknown field `colour`, expected one of `issuer`"),
        ] {
            let told = issuers(&with(field, value)).expect_err(fault);
            assert!(told.contains(fault), "{told}");
        }
        assert!(issuers("{}").expect_err("no list").contains("[[auth.issuers]]"));
        let twice = with("jwks_ttl_s", json!(1));
        let twice = format!("[{0},{0}]", &twice[1..twice.len() - 1]);
        assert!(issuers(&twice).expect_err("twice").contains("issuer 2, issuer: named before"));
    }

    #[test]
    fn this_machine_may_be_asked_in_the_open() {
        for good in ["http://127.0.0.1:8080/keys", "http://localhost:1", "http://[::1]:1", "https://id.example.com/a"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in ["http://127.0.0.1.example.com", "http://localhost.example.com", "ftp://localhost", "/keys", ""] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
