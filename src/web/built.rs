//! What Vite made of `web/`, inside the binary; nothing when npm was absent at build time.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::edge::{Failure, StaticFile};

// `FILES`: path and content.
include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// Names in `assets/` carry a digest of their content.
const FOREVER: &str = "public, max-age=31536000, immutable";
pub(super) const ASK_AGAIN: &str = "no-cache";
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

/// A page and the files beside it, such as `assets/index-1a2b3c.js`, under one policy: a worker has its own.
#[derive(Clone)]
pub(super) struct Site(Arc<Inner>);

struct Inner {
    page: StaticFile,
    files: HashMap<&'static str, StaticFile>,
    policy: HeaderValue,
}

impl Site {
    /// A page with this content, and the files of a folder of the build.
    pub(super) fn new(folder: &str, page: impl Into<Bytes>, policy: &'static str) -> Self {
        let beside = FILES.iter().filter_map(|(name, content)| {
            let path = name.strip_prefix(folder)?.strip_prefix('/').filter(|path| !path.ends_with(".html"))?;
            let cache = if path.starts_with("assets/") { FOREVER } else { ASK_AGAIN };
            let content_type = HeaderValue::from_static(content_type(path));
            Some((path, StaticFile::new(*content, content_type, cache)))
        });
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        Self(Arc::new(Inner {
            page: StaticFile::new(page, html, ASK_AGAIN),
            files: beside.collect(),
            policy: HeaderValue::from_static(policy),
        }))
    }

    /// Answers with the page.
    pub(super) async fn page(&self, request: &HeaderMap) -> Response {
        self.send(&self.0.page, request).await
    }

    /// Answers with a file beside the page.
    ///
    /// # Errors
    /// [`Failure::NoRoute`] for a path that no file has.
    pub(super) async fn file(&self, path: &str, request: &HeaderMap) -> Result<Response, Failure> {
        let file = self.0.files.get(path).ok_or(Failure::NoRoute)?;
        Ok(self.send(file, request).await)
    }

    async fn send(&self, file: &StaticFile, request: &HeaderMap) -> Response {
        let mut response = file.respond(request).await;
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.0.policy.clone());
        response
    }
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
