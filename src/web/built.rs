//! What Vite made of `web/`, inside the binary; nothing when npm was absent at build time.

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::edge::Failure;

// `FILES`: path and content.
include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// Names in `assets/` carry a digest of their content.
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
/// The page's place for the path prefix.
const BASE: &str = "<meta name=\"patchbay-base\" content=\"\" />";

/// The content of a file of the build.
pub(super) fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, content)| *content)
}

/// A page of the build as it is served under a path prefix: what it loads lies in `page`, beside it.
pub(super) fn page_under(prefix: &str, page: &str, html: &[u8]) -> Bytes {
    let html = String::from_utf8_lossy(html);
    let html = html.replace("=\"./", &format!("=\"{prefix}/{page}/"));
    html.replacen(BASE, &BASE.replace("\"\"", &format!("\"{prefix}\"")), 1).into()
}

/// A file beside a page, such as `assets/index-1a2b3c.js` of `graphiql`, under the page's policy: a worker has its own.
pub(super) fn asset(page: &str, path: &str, csp: &'static str) -> Result<Response, Failure> {
    let file = file(&format!("{page}/{path}")).filter(|_| !path.ends_with(".html")).ok_or(Failure::NoRoute)?;
    let cache = if path.starts_with("assets/") { FOREVER } else { ASK_AGAIN };
    let headers = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, csp),
    ];
    Ok((headers, file).into_response())
}

/// A page under its policy.
pub(super) fn html(csp: &'static str, page: impl IntoResponse) -> Response {
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
        _ => "text/plain; charset=utf-8",
    }
}
