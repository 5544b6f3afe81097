//! The settings as the parts of the program take them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::settings::{items, network};
use super::{AuthSection, Resolved};
use crate::domain::limits::{InstallLimits, RequestLimits, Window};
use crate::edge::BodyLimits;
use crate::graphql::{DocumentLimits, Introspection, SocketLimits};
use crate::server::PeerLimits;
use crate::service::{KeyPolicy, ServiceSettings};
use crate::store::{PostgresUrl, StoreSettings, Target, parse_sqlite_url};
use crate::vault::{CacheSettings, TransitSettings};

/// SQLite readers beyond this only contend for two cores' worth of work.
const SQLITE_READERS: u32 = 4;

/// Everything, ready to be handed out.
#[derive(Clone)]
pub struct Config {
    /// Listening, limits of a connection, shutdown.
    pub server: ServerSection,
    /// Who may act for an account.
    pub auth: AuthSection,
    /// The database.
    pub database: StoreSettings,
    /// Who holds the provider keys.
    pub keys: KeysSection,
    /// Sizes of an install, subscriptions.
    pub services: ServiceSettings,
    /// How much an account or a credential may ask; `None` where nobody counts.
    pub requests: Option<RequestLimits>,
    /// Limits of a GraphQL document.
    pub graphql: DocumentLimits,
    /// Most open sockets.
    pub sockets: SocketLimits,
    /// How often the catalog's revision is read.
    pub catalog_poll: Duration,
    /// How long the audit log is kept; for ever when absent.
    pub audit_kept: Option<Duration>,
    /// Logs.
    pub log: LogSection,
    /// Traces; `None` when they are sent nowhere.
    pub traces: Option<TracesSection>,
    /// What the log warns of at the start.
    pub warnings: Vec<String>,
}

/// Listening, limits of a connection, shutdown.
#[derive(Clone)]
pub struct ServerSection {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of the embedded database.
    pub data_dir: PathBuf,
    /// Listen beyond loopback although nobody is authenticated.
    pub insecure_trust_account_header: bool,
    /// For one request.
    pub request_timeout: Duration,
    /// For the request's headers.
    pub header_timeout: Duration,
    /// For an idle connection.
    pub keep_alive: Duration,
    /// For a client that reads nothing of its response.
    pub write_timeout: Duration,
    /// For an HTTP/2 connection.
    pub max_connection_age: Duration,
    /// Bounds of each peer address.
    pub peers: PeerLimits,
    /// For requests under way at shutdown.
    pub drain_timeout: Duration,
    /// Most client connections.
    pub max_connections: usize,
    /// Most requests at once.
    pub max_concurrent_requests: usize,
    /// Bounds of request bodies.
    pub bodies: BodyLimits,
    /// Most bytes of large responses that are not written yet.
    pub max_unwritten_bytes: usize,
    /// Largest sum of headers.
    pub max_header_bytes: usize,
    /// Names that a request may call the server by, beside those of loopback; `None` for any.
    pub allowed_hosts: Option<Vec<String>>,
    /// Origins whose pages may use the APIs.
    pub cors_origins: Vec<String>,
    /// Where a proxy has this server: empty, or `/a/b`.
    pub path_prefix: String,
    /// Serve `/docs`.
    pub docs: bool,
    /// Serve `/ui`.
    pub gallery: bool,
    /// Serve `/graphiql`.
    pub graphiql: bool,
}

/// Who holds the provider keys.
#[derive(Clone)]
pub struct KeysSection {
    /// The provider that wraps, by its name; `None` to leave it to what is configured.
    pub provider: Option<String>,
    /// The key ring's file.
    pub keyring_file: Option<PathBuf>,
    /// The key ring itself; empty when not given.
    pub keyring: String,
    /// A transit engine.
    pub transit: Option<TransitSettings>,
    /// Unwrapped data keys in memory.
    pub cache: CacheSettings,
    /// When a data key is due.
    pub policy: KeyPolicy,
    /// For one call to a key service, its second attempt included.
    pub timeout: Duration,
    /// How often the keys of a key service are checked.
    pub probe: Duration,
    /// The key in AWS KMS; `None` when KMS is not used.
    pub kms: Option<KmsSection>,
}

/// A key in AWS KMS. A build without the feature `aws-kms` refuses it.
#[derive(Clone)]
pub struct KmsSection {
    /// Id, ARN or alias.
    pub key_id: String,
    /// Where the key is, when its ARN does not say it.
    pub region: Option<String>,
    /// Where KMS is, when not where the region has it.
    pub endpoint_url: Option<String>,
}

/// Logs.
#[derive(Clone, Debug)]
pub struct LogSection {
    /// Level of our own events.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

/// Where traces go. A build without the feature `otlp` refuses it.
#[derive(Clone)]
pub struct TracesSection {
    /// The collector's URL, up to `/v1/traces`.
    pub endpoint: String,
    /// `NAME=VALUE` with commas between them; may hold a token.
    pub headers: String,
    /// What this server is called there.
    pub service_name: String,
    /// Of 1,000 requests that nobody has decided about.
    pub sample_permille: u16,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// By whether standard error is a terminal.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The embedded database's file, when that is the one used.
    pub fn embedded_database(&self) -> Option<&PathBuf> {
        match &self.database.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres { .. } => None,
        }
    }
}

impl From<&Resolved> for Config {
    fn from(resolved: &Resolved) -> Self {
        let millis = |key: &str| Duration::from_millis(resolved.number(key));
        let size = |key: &str| usize::try_from(resolved.number(key)).unwrap_or(usize::MAX);
        let days = |key: &str| {
            let days = Some(resolved.number(key)).filter(|days| *days > 0);
            days.map(|days| Duration::from_secs(days * 86_400))
        };
        let data_dir = resolved.path("server.data_dir").unwrap_or_else(|| ".".into());
        let listen: SocketAddr =
            resolved.text("server.listen").parse().unwrap_or_else(|_| ([127, 0, 0, 1], 8080).into());
        let on_loopback = listen.ip().is_loopback();
        let page = |key: &str| resolved.switch(key) || (resolved.text(key) == "auto" && on_loopback);
        let server = ServerSection {
            listen,
            data_dir: data_dir.clone(),
            insecure_trust_account_header: resolved.switch("server.insecure_trust_account_header"),
            request_timeout: millis("server.request_timeout_ms"),
            header_timeout: millis("server.header_timeout_ms"),
            keep_alive: millis("server.keep_alive_ms"),
            write_timeout: millis("server.write_timeout_ms"),
            max_connection_age: millis("server.max_connection_age_ms"),
            peers: PeerLimits {
                max_connections: size("server.max_connections_per_peer"),
                max_requests: size("server.max_requests_per_peer"),
                exempt: ["server.unlimited_peers", "auth.gateway_networks"]
                    .into_iter()
                    .flat_map(|key| items(resolved.text(key)).filter_map(network))
                    .collect(),
            },
            drain_timeout: millis("server.drain_timeout_ms"),
            max_connections: size("server.max_connections"),
            max_concurrent_requests: size("server.max_concurrent_requests"),
            bodies: BodyLimits {
                max_bytes: size("server.max_body_bytes"),
                idle_timeout: millis("server.body_idle_timeout_ms"),
                max_anonymous_bytes: size("server.max_anonymous_body_bytes"),
                anonymous_timeout: millis("server.anonymous_body_timeout_ms"),
                max_unfinished: size("server.max_unfinished_bodies"),
                max_unfinished_bytes: size("server.max_unfinished_body_bytes"),
            },
            max_unwritten_bytes: size("server.max_unwritten_bytes"),
            max_header_bytes: size("server.max_header_bytes"),
            allowed_hosts: match resolved.text("server.allowed_hosts").trim() {
                "*" => None,
                "" if !on_loopback => None,
                names => Some(items(names).map(str::to_owned).collect()),
            },
            cors_origins: items(resolved.text("server.cors_origins")).map(str::to_owned).collect(),
            path_prefix: resolved.text("server.path_prefix").to_owned(),
            docs: page("server.docs"),
            gallery: page("server.gallery"),
            graphiql: page("graphql.graphiql"),
        };
        let auth = AuthSection::of(resolved, &server);
        Self {
            requests: request_limits(resolved, &auth),
            auth,
            database: database(resolved, &data_dir),
            server,
            keys: KeysSection {
                provider: Some(resolved.text("keys.provider").to_owned()).filter(|name| name != "auto"),
                keyring_file: resolved.path("keys.keyring_file"),
                keyring: resolved.text("keys.keyring").to_owned(),
                transit: transit(resolved),
                cache: CacheSettings { entries: size("keys.cache_entries"), ttl: millis("keys.cache_ttl_ms") },
                policy: KeyPolicy {
                    max_age: days("keys.data_key_max_age_days"),
                    max_seals: i64::try_from(resolved.number("keys.data_key_max_seals")).unwrap_or(i64::MAX),
                },
                timeout: millis("keys.timeout_ms"),
                probe: millis("keys.probe_ms"),
                kms: kms(resolved),
            },
            services: ServiceSettings {
                audit_max_bytes_per_day: resolved.number("audit.max_bytes_per_day"),
                read_back: resolved.switch("secrets.read_back"),
                own_catalog_cache_bytes: resolved.number("database.own_catalog_cache_bytes"),
                limits: InstallLimits {
                    params_max_bytes: size("limits.params_max_bytes"),
                    params_max_bytes_per_account: size("limits.params_max_bytes_per_account"),
                    secrets_max_bytes: size("limits.secrets_max_bytes"),
                },
                max_subscriptions_per_account: size("graphql.max_subscriptions_per_account"),
                subscription_poll: millis("graphql.subscription_poll_ms"),
            },
            graphql: DocumentLimits {
                max_depth: resolved.number("graphql.max_depth"),
                max_complexity: resolved.number("graphql.max_complexity"),
                max_aliases: resolved.number("graphql.max_aliases"),
                max_directives: resolved.number("graphql.max_directives"),
                max_document_bytes: size("graphql.max_document_bytes"),
                max_root_fields: resolved.number("graphql.max_root_fields"),
                max_mutations: resolved.number("graphql.max_mutations"),
                introspection: match resolved.text("graphql.introspection") {
                    "credential" => Introspection::Credential,
                    "off" | "false" => Introspection::Off,
                    _ => Introspection::On,
                },
            },
            sockets: SocketLimits {
                max_per_credential: u32::try_from(resolved.number("graphql.max_sockets_per_credential"))
                    .unwrap_or(u32::MAX),
                max_per_account: u32::try_from(resolved.number("graphql.max_sockets_per_account")).unwrap_or(u32::MAX),
            },
            traces: traces(resolved),
            warnings: Vec::new(),
            catalog_poll: millis("catalog.poll_ms"),
            audit_kept: days("audit.retention_days"),
            log: LogSection {
                level: resolved.text("log.level").to_owned(),
                format: match resolved.text("log.format") {
                    "pretty" => LogFormat::Pretty,
                    "json" => LogFormat::Json,
                    _ => LogFormat::Auto,
                },
            },
        }
    }
}

fn traces(resolved: &Resolved) -> Option<TracesSection> {
    let text = |key: &str| resolved.text(key).to_owned();
    Some(TracesSection {
        endpoint: Some(text("telemetry.otlp_endpoint")).filter(|endpoint| !endpoint.is_empty())?,
        headers: text("telemetry.otlp_headers"),
        service_name: text("telemetry.otlp_service_name"),
        sample_permille: u16::try_from(resolved.number("telemetry.otlp_sample_permille")).unwrap_or(u16::MAX),
    })
}

fn transit(resolved: &Resolved) -> Option<TransitSettings> {
    let text = |key: &str| resolved.text(key).to_owned();
    let url = Some(text("keys.transit_url")).filter(|url| !url.is_empty())?;
    Some(TransitSettings {
        url,
        mount: text("keys.transit_mount"),
        key: text("keys.transit_key"),
        token: text("keys.transit_token").into(),
        token_file: resolved.path("keys.transit_token_file"),
        namespace: text("keys.transit_namespace"),
        ca_file: resolved.path("keys.transit_ca_file"),
        key_per_account: resolved.switch("keys.transit_key_per_account"),
    })
}

fn request_limits(resolved: &Resolved, auth: &AuthSection) -> Option<RequestLimits> {
    let is_on = match resolved.text("limits.rate") {
        "auto" => !auth.open,
        other => other == "true",
    };
    let limit = |key: &str| u32::try_from(resolved.number(key)).unwrap_or(u32::MAX);
    is_on.then(|| RequestLimits {
        per_window: Window::ALL.map(|window| limit(&format!("limits.requests_per_{}", window.as_str()))),
        in_flight: limit("limits.requests_in_flight"),
    })
}

fn kms(resolved: &Resolved) -> Option<KmsSection> {
    let given = |key: &str| Some(resolved.text(key).to_owned()).filter(|text| !text.is_empty());
    Some(KmsSection {
        key_id: given("keys.kms_key_id")?,
        region: given("keys.kms_region"),
        endpoint_url: given("keys.kms_endpoint_url"),
    })
}

fn database(resolved: &Resolved, data_dir: &std::path::Path) -> StoreSettings {
    let postgres = |key: &str| PostgresUrl::parse(resolved.text(key)).ok();
    // Both were checked: what is no PostgreSQL URL is an SQLite one, or empty.
    let target = match postgres("database.url") {
        Some(url) => Target::Postgres { url, migration_url: postgres("database.migration_url") },
        None => Target::Sqlite(
            parse_sqlite_url(resolved.text("database.url")).unwrap_or_else(|_| data_dir.join("patchbay.db")),
        ),
    };
    let most = u32::try_from(resolved.number("database.max_connections")).unwrap_or(u32::MAX);
    let millis = |key: &str| Duration::from_millis(resolved.number(key));
    StoreSettings {
        max_connections: if matches!(target, Target::Sqlite(_)) { most.min(SQLITE_READERS) } else { most },
        target,
        acquire_timeout: millis("database.acquire_timeout_ms"),
        statement_timeout: millis("database.statement_timeout_ms"),
        silence: Some(millis("database.silence_ms")).filter(|silence| !silence.is_zero()),
        transaction_pooler: resolved.switch("database.transaction_pooler"),
        row_level_security: resolved.switch("database.row_level_security"),
        sqlite_synchronous_full: resolved.text("database.sqlite_synchronous") == "full",
        account_cache_bytes: resolved.number("database.account_cache_bytes"),
    }
}
