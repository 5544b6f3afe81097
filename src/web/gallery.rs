//! The gallery at `/ui`, built from `web/` and embedded; without npm at build time, a page that says so.
//!
//! Whatever it shows it asks of `/graphql`. All that the server tells it beforehand is whom it lets in.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;

use super::built::{self, Site};
use super::strip_trailing_slash;
use crate::config::AuthSection;
use crate::edge::Failure;

const FOLDER: &str = "ui";
const INDEX: &str = "ui/ui.html";
const ABSENT: &str = include_str!("gallery_absent.html");
/// The page's place for the modes in force; as it is built, for a server of whoever works on it.
const MODES: &str = "<meta name=\"patchbay-modes\" content=\"open\" />";

/// Nothing from anywhere else, and nothing inline.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, at `/ui` and at each entry's address, and its assets.
pub fn router(auth: &AuthSection, prefix: &str) -> Router {
    let page = built::file(INDEX).map_or(Bytes::from_static(ABSENT.as_bytes()), |page| {
        for_modes(&built::page_under(prefix, FOLDER, page), auth)
    });
    Router::new()
        .route("/ui", get(list))
        .route("/ui/", get(list))
        .route("/ui/{*path}", get(inside))
        .with_state(Site::new(FOLDER, page, CSP))
}

async fn list(State(site): State<Site>, headers: HeaderMap) -> Response {
    site.page(&headers).await
}

async fn inside(
    State(site): State<Site>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if is_entry(&path) {
        return Ok(site.page(&headers).await);
    }
    match path.strip_suffix('/').filter(|name| is_entry(name)) {
        Some(_) => strip_trailing_slash(&uri).ok_or(Failure::NoRoute),
        None => site.file(&path, &headers).await,
    }
}

/// Whether the path can be the name of an integration.
fn is_entry(path: &str) -> bool {
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The page with the modes in force written into it: it asks for a key, or for an account alone.
fn for_modes(page: &[u8], auth: &AuthSection) -> Bytes {
    let modes = [("open", auth.open), ("gateway", auth.gateway), ("api_key", auth.api_key), ("jwt", auth.jwt)];
    let modes: Vec<_> = modes.into_iter().filter(|(_, is_on)| *is_on).map(|(mode, _)| mode).collect();
    let told = MODES.replace("open", &modes.join(" "));
    String::from_utf8_lossy(page).replacen(MODES, &told, 1).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Resolved, Sources};

    const SOURCE: &str = include_str!("../../web/ui.html");

    fn auth(mode: &str) -> AuthSection {
        let flags = vec![("auth.mode".to_owned(), "test".into(), mode.to_owned())];
        Config::from(&Resolved::read(&Sources { flags, ..Sources::default() }).expect("settings")).auth
    }

    #[test]
    fn the_page_is_told_which_modes_are_in_force() {
        for mode in ["open", "gateway", "api_key jwt", "open api_key"] {
            let page = for_modes(SOURCE.as_bytes(), &auth(&mode.replace(' ', ", ")));
            let expected = format!("<meta name=\"patchbay-modes\" content=\"{mode}\" />");
            assert!(String::from_utf8_lossy(&page).contains(&expected), "{mode}");
        }
    }
}
