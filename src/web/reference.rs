//! The API reference at `/docs`: Swagger UI, inside the binary.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use super::built::ASK_AGAIN;
use crate::edge::{Failure, StaticFile};

/// Nothing from anywhere else. Swagger UI sets inline styles and has images in its style sheet.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Swagger UI's files, each read from the library once.
#[derive(Clone)]
struct Reference {
    config: Arc<Config<'static>>,
    /// No more than the library has.
    files: Arc<Mutex<HashMap<String, Arc<StaticFile>>>>,
}

/// The page and its assets.
pub fn router(prefix: &str) -> Router {
    let config = Config::from(format!("{prefix}/api/v1/openapi.json"))
        .use_base_layout()
        .display_request_duration(true)
        .persist_authorization(false)
        .try_it_out_enabled(true)
        .validator_url("none");
    Router::new()
        .route("/docs", get(async || Redirect::to("/docs/")))
        .route("/docs/", get(page))
        .route("/docs/index.html", get(async || Redirect::permanent("/docs/")))
        .route("/docs/{*path}", get(asset))
        .with_state(Reference { config: Arc::new(config), files: Arc::default() })
}

async fn page(state: State<Reference>, headers: HeaderMap) -> Result<Response, Failure> {
    asset(state, Path("index.html".to_owned()), headers).await
}

async fn asset(
    State(reference): State<Reference>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let file = reference.file(path).ok_or(Failure::NoRoute)?;
    let mut response = file.respond(&headers).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    Ok(response)
}

impl Reference {
    fn file(&self, path: String) -> Option<Arc<StaticFile>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&path) {
            return Some(file.clone());
        }
        let found = utoipa_swagger_ui::serve(&path, self.config.clone()).ok()??;
        let content_type = HeaderValue::try_from(found.content_type).ok()?;
        let file = Arc::new(StaticFile::new(found.bytes.into_owned(), content_type, ASK_AGAIN));
        files.insert(path, file.clone());
        Some(file)
    }
}
