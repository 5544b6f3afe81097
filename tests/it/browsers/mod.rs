//! What pages of other sites cannot do, and what those of listed ones can (docs/decisions/0017-browsers.md).

mod cors;
mod headers;
mod host;
mod origin;
mod pages;

use crate::support::World;

const LIST: &str = "/api/v1/integrations";
const INSTALL: &str = "/api/v1/integrations/stripe/install";
const UNINSTALL: &str = "/api/v1/integrations/stripe/uninstall";
/// A site that nobody listed.
const EVIL: &str = "https://evil.example";
/// A site that is listed in [`open_to_app`].
const APP: &str = "https://app.example.com";

/// A server that everybody can reach and nobody proves anything to; only its router is used.
const EVERYWHERE: [(&str, &str); 2] = [("server.listen", "0.0.0.0:0"), ("auth.mode", "open")];

/// A world that lets pages of [`APP`] in.
async fn open_to_app() -> World {
    World::with(&[("server.cors_origins", &format!("http://localhost:5173, {APP}"))]).await
}
