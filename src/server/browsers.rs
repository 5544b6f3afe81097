//! What a browser is kept from doing for the page of another site (docs/decisions/0017-browsers.md).
//!
//! A page can have a browser send requests to any address, loopback too, and under a name of its own that it lets point
//! there. Programs are not browsers, and are not bound by any of this.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::CorsLayer;

use super::layers::is_probe;
use crate::config::ServerSection;
use crate::edge::{ACCOUNT_HEADER, Failure, IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER, REQUEST_ID_HEADER};
use crate::graphql;

/// How the page that asks stands to the server asked.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long a browser may remember what a page may do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// What a page may read of an answer, beside what every page may.
const EXPOSED: [HeaderName; 11] = [
    header::ETAG,
    header::LINK,
    header::RETRY_AFTER,
    REQUEST_ID_HEADER,
    REPLAYED_HEADER,
    HeaderName::from_static("x-error-code"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// The names that this server goes by, and the sites whose pages may use it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Browsers {
    /// `None`: any.
    hosts: Option<Arc<[String]>>,
    origins: Arc<[HeaderValue]>,
}

/// Refuses a request under a foreign name, and one with which a foreign page acts.
pub(super) async fn refuse_foreign(State(browsers): State<Browsers>, request: Request, next: Next) -> Response {
    // Whoever watches dials an address that no list can know, and learns nothing of any account.
    let is_watched = request.extensions().get::<MatchedPath>().is_some_and(|route| is_probe(route.as_str()));
    if !is_watched && !browsers.go_by(&request) {
        return Failure::Host.into_response();
    }
    if acts(&request) && browsers.is_foreign(&request) {
        return Failure::Origin.into_response();
    }
    next.run(request).await
}

impl Browsers {
    pub(super) fn new(settings: &ServerSection) -> Self {
        let origins = settings.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        Self { hosts: settings.allowed_hosts.as_deref().map(Into::into), origins: origins.collect() }
    }

    /// Tells browsers which pages may read answers; nothing when there are none beside our own.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        if self.origins.is_empty() {
            return None;
        }
        let allowed = [
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            ACCOUNT_HEADER,
            IDEMPOTENCY_KEY_HEADER,
            REQUEST_ID_HEADER,
        ];
        let layer = CorsLayer::new()
            .allow_origin(self.origins.to_vec())
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(allowed)
            .expose_headers(EXPOSED)
            .max_age(PREFLIGHT_AGE);
        Some(layer)
    }

    /// Whether every name that the request calls the server by is one of its own. One that gives none is no browser's.
    fn go_by(&self, request: &Request) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        names(request).all(|name| {
            let Ok(authority) = Authority::try_from(name) else { return false };
            let host = authority.host();
            is_loopback(host) || hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
        })
    }

    /// Whether a page sent this that is neither of this server nor on the list. The browser's own word counts most: a
    /// proxy may have changed the host, and never that.
    fn is_foreign(&self, request: &Request) -> bool {
        let site = request.headers().get(FETCH_SITE).map(HeaderValue::as_bytes);
        if matches!(site, Some(b"same-origin" | b"none")) {
            return false;
        }
        match request.headers().get(header::ORIGIN) {
            Some(origin) if self.origins.contains(origin) => false,
            Some(origin) => site.is_some() || !is_same(origin, request),
            None => site.is_some(),
        }
    }
}

/// Whether a page could do something by sending this, also one that cannot read the answer.
fn acts(request: &Request) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A socket is opened by GET, and no browser asks whether its messages may be read.
    !is_read || request.uri().path() == graphql::SOCKET_PATH
}

fn names(request: &Request) -> impl Iterator<Item = &[u8]> {
    let of_uri = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    of_uri.into_iter().chain(request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes))
}

/// The scheme is left out: whoever ends TLS in front of us knows it, we do not.
fn is_same(origin: &HeaderValue, request: &Request) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, own)| names(request).next().is_some_and(|name| name.eq_ignore_ascii_case(own.as_bytes())))
}

/// No page can have one of these point elsewhere.
fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}
