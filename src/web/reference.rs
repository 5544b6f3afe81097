//! The API reference at `/docs`: Swagger UI, inside the binary.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Redirect;
use axum::routing::get;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Nothing from anywhere else. Swagger UI sets inline styles and has images in its style sheet.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its assets.
pub fn router(prefix: &str) -> Router {
    let config = Config::from(format!("{prefix}/api/v1/openapi.json"))
        .use_base_layout()
        .display_request_duration(true)
        .persist_authorization(false)
        .try_it_out_enabled(true)
        .validator_url("none");
    let page: Router = SwaggerUi::new("/docs").config(config).into();
    page.route("/docs/index.html", get(async || Redirect::permanent("/docs/")))
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)))
}
