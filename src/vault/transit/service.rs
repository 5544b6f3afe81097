//! Calls of the service, and what its refusals mean.

use std::path::PathBuf;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::TransitSettings;
use crate::outbound::{Outbound, is_exposed, service_url};
use crate::vault::Fault;

/// The largest answer, in bytes.
const LARGEST: usize = 64 * 1024;
/// Connections kept for later calls: as many as ever wrap at once, seldom.
const MOST_IDLE: usize = 16;
/// What is told of the service's own words, in characters, and the longest of those words.
const LONGEST_TEXT: usize = 300;
const LONGEST_WORD: usize = 40;
/// Room for any request of ours, so that it is never copied while it grows.
const REQUEST_BYTES: usize = 4_096;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Without it an agent in front of the service may refuse the request.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

pub(super) struct Service {
    http: Outbound,
    /// Up to and with `/v1/`.
    base: String,
    token: Token,
    namespace: Option<HeaderValue>,
}

enum Token {
    Fixed(Zeroizing<String>),
    /// Read anew for each call: whoever keeps it fresh need not tell us.
    File(PathBuf),
}

/// The part of an answer that we read.
#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

impl Service {
    /// # Errors
    /// A sentence for the operator when a setting cannot be used.
    pub(super) fn new(settings: &TransitSettings) -> Result<Self, String> {
        let uri = service_url(&settings.url).map_err(|fault| format!("keys.transit_url {fault}"))?;
        if uri.query().is_some() {
            return Err("keys.transit_url must end with the host or a path".into());
        }
        if is_exposed(&uri) {
            tracing::warn!(
                "keys.transit_url does not start with https://: whoever is on the way to the key service reads its token \
                 and every data key"
            );
        }
        let token = match (settings.token.is_empty(), &settings.token_file) {
            (false, None) => Token::Fixed(settings.token.clone()),
            (true, Some(path)) => Token::File(path.clone()),
            (true, None) => {
                return Err(
                    "keys.transit_url is set: keys.transit_token_file or keys.transit_token must be, too".into()
                );
            }
            (false, Some(_)) => {
                return Err("keys.transit_token and keys.transit_token_file are both set: keep one".into());
            }
        };
        let namespace = HeaderValue::from_str(&settings.namespace)
            .map_err(|_| "keys.transit_namespace has characters that no namespace has")?;
        Ok(Self {
            http: Outbound::new(settings.ca_file.as_deref(), MOST_IDLE)
                .map_err(|fault| format!("keys.transit_{fault}"))?,
            base: format!("{}/v1/", settings.url.trim_end_matches('/')),
            token,
            namespace: (!namespace.is_empty()).then_some(namespace),
        })
    }

    /// What the service answers.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str, question: &impl Serialize) -> Result<T, Fault> {
        let answer = self.call(Method::POST, path, Some(question)).await?;
        // The library's message may quote the answer.
        serde_json::from_slice::<Answer<T>>(&answer)
            .map(|answer| answer.data)
            .map_err(|_| foreign(path, StatusCode::OK))
    }

    /// Has something done that is answered with nothing of interest.
    pub(super) async fn order(&self, path: &str, order: &impl Serialize) -> Result<(), Fault> {
        self.call(Method::POST, path, Some(order)).await.map(drop)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Fault> {
        self.call(Method::DELETE, path, None::<&()>).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let unavailable = |fault: String| Fault::Unavailable(format!("{}{path}: {fault}", self.base));
        let token = self.token.read().await.map_err(Fault::Unavailable)?;
        let request = self.request(method, path, body, &token).map_err(unavailable)?;
        let (status, answer) = self.http.send(request, LARGEST).await.map_err(unavailable)?;
        let answer = Zeroizing::new(Vec::from(answer));
        if matches!(status, StatusCode::OK | StatusCode::NO_CONTENT) {
            Ok(answer)
        } else {
            Err(refused(path, status, &answer, &token))
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        token: &str,
    ) -> Result<Request<Full<Bytes>>, String> {
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(|_| "is no URL")?;
        let mut token = HeaderValue::from_str(token).map_err(|_| "the token has characters that no token has")?;
        token.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(USER_AGENT, "patchbay")
            .header(CONTENT_TYPE, "application/json")
            .header(REQUEST, "true")
            .header(TOKEN, token);
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(REQUEST_BYTES));
        if let Some(body) = body {
            serde_json::to_writer(&mut *bytes, body).map_err(|_| "cannot be asked in JSON")?;
        }
        request.body(Full::new(Bytes::from_owner(bytes))).map_err(|error| error.to_string())
    }
}

impl Token {
    async fn read(&self) -> Result<Zeroizing<String>, String> {
        let path = match self {
            Self::Fixed(token) => return Ok(token.clone()),
            Self::File(path) => path,
        };
        let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
        let text = text.map_err(|error| format!("cannot read keys.transit_token_file {}: {error}", path.display()))?;
        // Some editors put a byte order mark at the start.
        match text.trim_start_matches('\u{feff}').trim() {
            // It may be written at this moment.
            "" => Err(format!("keys.transit_token_file {} is empty", path.display())),
            token => Ok(Zeroizing::new(token.to_owned())),
        }
    }
}

/// What a refusal means for us. An answer that is not the service's own says nothing about keys.
fn refused(path: &str, status: StatusCode, answer: &[u8], token: &str) -> Fault {
    let Ok(Refusal { errors }) = serde_json::from_slice(answer) else { return foreign(path, status) };
    let cause = format!("{path}: {status}: {}", told(&errors, token));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::Denied(format!(
            "{cause}: the token was revoked or has expired, or no policy of it allows this (docs/vault.md shows the policy)"
        )),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Fault::Corrupt(cause),
        _ => Fault::Unavailable(cause),
    }
}

fn foreign(path: &str, status: StatusCode) -> Fault {
    Fault::Unavailable(format!(
        "{path}: {status}, with what is no answer of a transit engine (is it something in between, or another server at \
         keys.transit_url? redirects are not followed)"
    ))
}

/// The service's own words on one line, and not too many: never the token, nor a word that could be key material.
fn told(errors: &[String], token: &str) -> String {
    let words = errors.iter().flat_map(|error| error.split_whitespace());
    let words = words.map(|word| if word.len() > LONGEST_WORD || word.contains(token) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}
