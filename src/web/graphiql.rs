//! GraphiQL at `/graphiql`, built from `web/` and embedded; without npm at build time, a page that says so.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::built::{self, Site};
use crate::edge::Failure;

const FOLDER: &str = "graphiql";
const INDEX: &str = "graphiql/index.html";
const ABSENT: &str = include_str!("graphiql_absent.html");
const FROM_CDN: &str = include_str!("graphiql_cdn.html");

/// Nothing from anywhere else. Monaco sets inline styles and has images in its style sheet.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For the page that a person asked for by name: its scripts are of one version each and pinned by digest, as is the one
/// that starts it.
const CDN_CSP: &str = "default-src 'none'; script-src https://unpkg.com/react@18.3.1/ https://unpkg.com/react-dom@18.3.1/ \
    https://unpkg.com/graphiql@4.1.2/ 'sha256-TI5Isq7YO7PkXTTK8H4kCOWcAkp40Ip2yXqifUEKJNA='; \
    style-src https://unpkg.com/graphiql@4.1.2/ 'unsafe-inline'; img-src 'self' data:; font-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its assets.
pub fn router(prefix: &str) -> Router {
    let built = built::file(INDEX).map(|page| built::page_under(prefix, FOLDER, page));
    let absent = ABSENT.replace("\"/graphiql", &format!("\"{prefix}/graphiql"));
    let pages = Pages {
        from_cdn: built.is_none().then(|| Site::new(FOLDER, FROM_CDN, CDN_CSP)),
        site: Site::new(FOLDER, built.unwrap_or_else(|| absent.into()), CSP),
    };
    Router::new()
        .route("/graphiql", get(page))
        .route("/graphiql/", get(page))
        .route("/graphiql/{*path}", get(asset))
        .with_state(pages)
}

#[derive(Clone)]
struct Pages {
    site: Site,
    /// Where npm was absent at build time.
    from_cdn: Option<Site>,
}

async fn page(State(pages): State<Pages>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let from_cdn = pages.from_cdn.filter(|_| query.as_deref() == Some("cdn"));
    from_cdn.unwrap_or(pages.site).page(&headers).await
}

async fn asset(State(pages): State<Pages>, Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    pages.site.file(&path, &headers).await
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
