//! GraphiQL at `/graphiql`, built from `web/` and embedded; without npm at build time, a page that says so.

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::edge::Failure;

// `FILES`: what Vite made of `web/`, path and content; empty without npm.
include!(concat!(env!("OUT_DIR"), "/web.rs"));

const INDEX: &str = "index.html";
const ABSENT: &str = include_str!("graphiql_absent.html");
const FROM_CDN: &str = include_str!("graphiql_cdn.html");

/// Nothing from anywhere else. Monaco sets inline styles and has images in its style sheet.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self' ws: wss:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For the page that a person asked for by name: its scripts are of one version each and pinned by digest, as is the one
/// that starts it.
const CDN_CSP: &str = "default-src 'none'; script-src https://unpkg.com/react@18.3.1/ https://unpkg.com/react-dom@18.3.1/ \
    https://unpkg.com/graphiql@4.1.2/ 'sha256-ykMjWBmzBbOK6YvzI0Aojdgm6SCB1it8lcwpF5SfjhI='; \
    style-src https://unpkg.com/graphiql@4.1.2/ 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Names in `assets/` carry a digest of their content.
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// The page and its assets.
pub fn router() -> Router {
    Router::new().route("/graphiql", get(page)).route("/graphiql/", get(page)).route("/graphiql/{*path}", get(asset))
}

async fn page(RawQuery(query): RawQuery) -> Response {
    match built(INDEX) {
        Some(index) => html(CSP, index),
        None if query.as_deref() == Some("cdn") => html(CDN_CSP, FROM_CDN.as_bytes()),
        None => html(CSP, ABSENT.as_bytes()),
    }
}

fn built(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, content)| *content)
}

async fn asset(Path(path): Path<String>) -> Result<Response, Failure> {
    let file = built(&path).filter(|_| path != INDEX).ok_or(Failure::NoRoute)?;
    let cache = if path.starts_with("assets/") { FOREVER } else { ASK_AGAIN };
    let headers = [
        (header::CONTENT_TYPE, content_type(&path)),
        (header::CACHE_CONTROL, cache),
        // A worker script has a policy of its own.
        (header::CONTENT_SECURITY_POLICY, CSP),
    ];
    Ok((headers, file).into_response())
}

fn html(csp: &'static str, page: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, ASK_AGAIN),
        (header::CONTENT_SECURITY_POLICY, csp),
    ];
    (headers, page).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "ttf" => "font/ttf",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_lets_the_pages_own_script_run_and_no_other() {
        let (_, rest) = FROM_CDN.split_once("<script>").expect("a script");
        let (script, _) = rest.split_once("</script>").expect("its end");
        let digest = STANDARD.encode(Sha256::digest(script));
        assert!(CDN_CSP.contains(&format!("'sha256-{digest}'")), "{digest}");
        for address in FROM_CDN.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let (version, _) = address.rsplit_once("/umd/").or_else(|| address.rsplit_once('/')).expect("a path");
            assert!(CDN_CSP.contains(&format!("{version}/")), "{address}");
        }
    }
}
