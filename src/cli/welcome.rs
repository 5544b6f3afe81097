//! What a server prints when it is ready: for people, or as JSON lines for a collector that also reads the log.

use std::net::SocketAddr;

use chrono::Utc;
use serde_json::{Value, json};

use super::api_keys;
use crate::config::{AuthSection, Config, LogFormat, ServerSection};
use crate::service::MadeKey;

/// The form and content of what is printed.
pub(super) struct Welcome {
    is_json: bool,
    prefix: String,
    pages: Vec<(&'static str, &'static str)>,
    auth: AuthSection,
}

impl Welcome {
    /// JSON lines when the log was set to be JSON, so that a collector of both streams reads JSON alone.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            is_json: config.log.format == LogFormat::Json,
            prefix: config.server.path_prefix.clone(),
            pages: pages(&config.server),
            auth: config.auth.clone(),
        }
    }

    /// Where the server is, and how to try it.
    pub(super) fn text(&self, address: SocketAddr) -> String {
        let url = format!("http://{address}{}", self.prefix);
        let version = env!("CARGO_PKG_VERSION");
        if self.is_json {
            let mut fields = json!({"graphql": format!("{url}/graphql"), "rest": format!("{url}/api/v1")});
            for (name, path) in &self.pages {
                fields[name.to_lowercase().replace(' ', "_")] = format!("{url}{path}").into();
            }
            return line(&format!("Patchbay {version} is ready"), fields);
        }
        let pages: String = self.pages.iter().map(|(name, path)| format!("\n  {name:<14} {url}{path}")).collect();
        format!(
            "Patchbay {version} is ready{pages}\n  GraphQL        {url}/graphql\n  REST           {url}/api/v1\n\nTry it:\n  \
             curl -s {} {url}/api/v1/integrations/stripe\n",
            try_it(&self.auth)
        )
    }

    /// The first key, which is shown once.
    pub(super) fn first_key(&self, made: &MadeKey) -> String {
        let text = api_keys::first(made);
        if self.is_json { line(text.trim(), json!({})) } else { text }
    }
}

/// One line in the form of the log's.
fn line(message: &str, mut fields: Value) -> String {
    fields["timestamp"] = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into();
    fields["level"] = "INFO".into();
    fields["message"] = message.into();
    format!("{fields}\n")
}

/// The pages that are served, name and path.
fn pages(settings: &ServerSection) -> Vec<(&'static str, &'static str)> {
    let gallery = settings.gallery.then_some(("Gallery", "/ui"));
    let graphiql = settings.graphiql.then_some(("GraphiQL", "/graphiql"));
    let docs = settings.docs.then_some(("API reference", "/docs"));
    gallery.into_iter().chain(graphiql).chain(docs).collect()
}

/// Headers that authenticate a request, as arguments of `curl`.
fn try_it(auth: &AuthSection) -> &'static str {
    match auth {
        AuthSection { open: true, .. } => "-H 'X-Account-ID: acme'",
        AuthSection { api_key: true, .. } => "-H 'X-Account-ID: acme' -H \"Authorization: Bearer $KEY\"",
        AuthSection { jwt: true, .. } => "-H 'X-Account-ID: acme' -H \"Authorization: Bearer $TOKEN\"",
        _ => "-H 'X-Account-ID: acme' -H \"X-Gateway-Token: $PATCHBAY_GATEWAY_TOKEN\"",
    }
}
