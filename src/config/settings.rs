//! Every setting, once.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::domain::Scope;
use crate::outbound;
use crate::store::{HOME_REFUSAL, PostgresUrl, parse_sqlite_url};
use crate::tokens::issuers;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number in a range.
    Number {
        /// Least allowed.
        min: u64,
        /// Most allowed.
        max: u64,
    },
    /// `true` or `false`.
    Switch,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `ADDRESS:PORT`.
    Address,
    /// A path, or nothing.
    Path,
    /// Any text.
    Text,
    /// Where another service is: encrypted, unless on this machine; or nothing.
    Url,
    /// Where another service is, encrypted or not, without user name and query; or nothing.
    Endpoint,
    /// Host names without ports, separated by commas; `*` alone for any; or nothing.
    Hosts,
    /// Origins as browsers send them, separated by commas; or nothing.
    Origins,
    /// The start of a path, `/a/b` without a slash at the end; or nothing.
    Prefix,
    /// A database URL that may hold a password; or nothing.
    DatabaseUrl,
    /// The URL of a PostgreSQL database that may hold a password; or nothing.
    PostgresUrl,
    /// Text that is never shown. It may have several lines.
    Secret,
    /// Text on one line that is never shown.
    Token,
    /// Some of a few words, with commas between them.
    Words(&'static [&'static str]),
    /// Scopes, with commas between them.
    Scopes,
    /// Networks, `ADDRESS/BITS` or `ADDRESS`, with commas between them.
    Networks,
    /// Identity providers, a JSON list of objects; in the file, an array of tables.
    Issuers,
}

impl Kind {
    /// Whether a value is a list, which may be empty.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Hosts | Self::Origins | Self::Words(_) | Self::Scopes | Self::Networks)
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `section.name`; a unit, where there is one, ends the name.
    pub key: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// As text.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// A shorter environment variable beside `PATCHBAY_SECTION__NAME`.
    pub env: Option<&'static str>,
}

const fn setting(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting { key, kind, default, help, env: None }
}

const fn number(key: &'static str, min: u64, max: u64, default: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Number { min, max }, default, help)
}

const fn named(env: &'static str, setting: Setting) -> Setting {
    Setting { env: Some(env), ..setting }
}

/// A switch that is left to where the server listens.
const AUTO: Kind = Kind::Choice(&["auto", "true", "false"]);

/// All settings, by section.
pub const SETTINGS: &[Setting] = &[
    named(
        "PATCHBAY_LISTEN",
        setting(
            "server.listen",
            Kind::Address,
            "127.0.0.1:8080",
            "Where the server listens, ADDRESS:PORT; port 0 takes a free one.",
        ),
    ),
    named(
        "PATCHBAY_DATA_DIR",
        setting(
            "server.data_dir",
            Kind::Path,
            "./patchbay-data",
            "Folder of the embedded database, its key ring and its pepper; made when absent.",
        ),
    ),
    setting(
        "server.insecure_trust_account_header",
        Kind::Switch,
        "false",
        "Believe X-Account-ID from any peer, also when not listening on loopback (mode open). Only where nobody else can reach it.",
    ),
    number("server.request_timeout_ms", 100, 600_000, "10000", "How long one request may take."),
    number("server.header_timeout_ms", 100, 60_000, "5000", "How long a client may take to send its request headers."),
    number("server.keep_alive_ms", 1_000, 3_600_000, "75000", "How long an idle connection is kept."),
    number("server.drain_timeout_ms", 0, 600_000, "10000", "How long requests under way may go on after SIGTERM."),
    number(
        "server.write_timeout_ms",
        100,
        600_000,
        "10000",
        "How long a client may read nothing of its response before its connection ends.",
    ),
    number(
        "server.max_connection_age_ms",
        1_000,
        86_400_000,
        "3600000",
        "How long an HTTP/2 connection is used; then its client is asked to open another.",
    ),
    number("server.max_connections", 1, 1_000_000, "10000", "Most client connections at once."),
    number(
        "server.max_connections_per_peer",
        0,
        1_000_000,
        "2000",
        "Most connections from one address (IPv6: one /64 network); more are closed. 0 is no limit.",
    ),
    number(
        "server.max_requests_per_peer",
        0,
        1_000_000,
        "400",
        "Most unfinished requests from one address, until their responses are written; more are answered 503. 0 is no \
         limit.",
    ),
    setting(
        "server.unlimited_peers",
        Kind::Networks,
        "127.0.0.0/8,::1",
        "Networks without limits per address, such as those of proxies in front of this server; auth.gateway_networks are \
         among them.",
    ),
    number(
        "server.max_concurrent_requests",
        1,
        100_000,
        "512",
        "Most requests worked on at once, until their responses are written; more are answered 503. Callers without a \
         credential get an eighth.",
    ),
    number("server.max_body_bytes", 1_024, 16_777_216, "262144", "Largest request body."),
    number(
        "server.body_idle_timeout_ms",
        100,
        600_000,
        "2000",
        "How long a request body may pause before the request is answered 408.",
    ),
    number(
        "server.anonymous_body_timeout_ms",
        100,
        600_000,
        "1000",
        "How long a caller without a credential may take to send a whole request body.",
    ),
    number(
        "server.max_anonymous_body_bytes",
        0,
        16_777_216,
        "8192",
        "Largest request body of a caller without a credential; an introspection query has some 2,000 bytes.",
    ),
    number(
        "server.max_unfinished_bodies",
        1,
        1_000_000,
        "1024",
        "Most request bodies that are received at once; more are answered 503. Callers without a credential get an eighth.",
    ),
    number(
        "server.max_unfinished_body_bytes",
        1_024,
        4_294_967_296,
        "33554432",
        "Most bytes of request bodies that are not complete. Callers without a credential get an eighth.",
    ),
    number(
        "server.max_unwritten_bytes",
        65_536,
        4_294_967_296,
        "50331648",
        "Most bytes of large responses (64 KiB and more) that wait for slow readers; more are answered 503. A credential \
         and an account get a quarter each, callers without a credential an eighth; one response always fits.",
    ),
    number("server.max_header_bytes", 1_024, 262_144, "32768", "Largest sum of request headers."),
    setting(
        "server.allowed_hosts",
        Kind::Hosts,
        "",
        "Names that requests may call this server by in Host, beside those of loopback; others are answered 421. Empty: no other when listening on loopback, any otherwise.",
    ),
    setting(
        "server.cors_origins",
        Kind::Origins,
        "",
        "Sites whose pages may use the APIs from a browser. Empty: none but this server's own.",
    ),
    setting(
        "server.path_prefix",
        Kind::Prefix,
        "",
        "Path under which a proxy offers this server, such as /patchbay. Pages and links start with it; requests are served with it and without.",
    ),
    setting("server.gallery", AUTO, "auto", "Serve the gallery at /ui. auto: when listening on loopback."),
    setting("server.docs", AUTO, "auto", "Serve the API reference at /docs. auto: when listening on loopback."),
    setting(
        "auth.mode",
        Kind::Words(&["auto", "open", "gateway", "api_key", "jwt"]),
        "auto",
        "Who may act for an account. auto: open on loopback, api_key elsewhere. open: whoever names it. gateway: whom the gateway vouches for. api_key, jwt: who holds a credential.",
    ),
    named(
        "PATCHBAY_GATEWAY_TOKEN",
        setting(
            "auth.gateway_token",
            Kind::Token,
            "",
            "What the gateway sends as X-Gateway-Token (mode gateway); at least 32 characters.",
        ),
    ),
    setting(
        "auth.gateway_networks",
        Kind::Networks,
        "",
        "Where the gateway connects from (mode gateway). With a token as well, both must fit.",
    ),
    setting(
        "auth.gateway_scopes",
        Kind::Scopes,
        "catalog:read,installations:read,installations:write,secrets:purge,audit:read",
        "What a request may do that the gateway vouches for.",
    ),
    setting(
        "auth.issuers",
        Kind::Issuers,
        "",
        "Identity providers whose tokens are taken (mode jwt): issuer, audience, account_claim, and more that has defaults.",
    ),
    named(
        "PATCHBAY_AUTH_PEPPER",
        setting(
            "auth.pepper",
            Kind::Secret,
            "",
            "What API keys are digested with, the same on every replica; at least 32 characters. Empty with the embedded database: pepper in server.data_dir.",
        ),
    ),
    setting(
        "auth.adopt_unsigned_keys",
        Kind::Switch,
        "true",
        "Sign API keys that a version before signed rows made, within 24 hours of the first start that can. Set it to false once the upgrade is done: who can write to the database can begin these 24 hours again.",
    ),
    number(
        "auth.max_key_days",
        0,
        36_500,
        "365",
        "Longest life of an API key that is made with a token (mode jwt); without an end of its own it ends then. 0 sets no limit.",
    ),
    number(
        "auth.ended_key_retention_days",
        0,
        36_500,
        "90",
        "How long API keys that were revoked or expired are kept; older ones are deleted within the hour, but the newest key. 0 keeps them for ever.",
    ),
    named(
        "PATCHBAY_DATABASE_URL",
        setting(
            "database.url",
            Kind::DatabaseUrl,
            "",
            "postgres://user:password@host/name, or sqlite:PATH. Empty: patchbay.db in server.data_dir.",
        ),
    ),
    setting(
        "database.migration_url",
        Kind::PostgresUrl,
        "",
        "A direct PostgreSQL URL for migrations, when database.url goes through a pooler or its role does not own the tables.",
    ),
    number(
        "database.max_connections",
        1,
        1_000,
        "16",
        "Most connections to PostgreSQL, or readers of the SQLite file (there 4 at most).",
    ),
    number(
        "database.acquire_timeout_ms",
        10,
        60_000,
        "1000",
        "How long a request waits for a database connection before it is answered 503.",
    ),
    number("database.statement_timeout_ms", 10, 600_000, "3000", "How long PostgreSQL may work on one statement."),
    number(
        "database.silence_ms",
        0,
        60_000,
        "800",
        "How long PostgreSQL may answer nothing at all, a new connection included, before requests are answered 503 at once \
         until it does; a start waits for half a minute. 0: each waits for its own statement.",
    ),
    setting(
        "database.transaction_pooler",
        Kind::Switch,
        "false",
        "PostgreSQL is behind a pooler in transaction mode, such as PgBouncer: no named statements, no start-up options.",
    ),
    setting(
        "database.row_level_security",
        Kind::Switch,
        "false",
        "PostgreSQL keeps accounts apart by row-level security, too. The same on every replica; not for a superuser.",
    ),
    setting(
        "database.sqlite_synchronous",
        Kind::Choice(&["full", "normal"]),
        "full",
        "full: a commit survives power loss. normal: faster, the last commits may be lost with the power (never with the process).",
    ),
    number(
        "database.account_cache_bytes",
        0,
        1_073_741_824,
        "8388608",
        "Memory for the rows of the accounts asked for most, about; what others change is seen at once. 0 keeps none.",
    ),
    number(
        "database.own_catalog_cache_bytes",
        0,
        1_073_741_824,
        "33554432",
        "Memory for the catalogs of accounts with integrations of their own, approximately. 0 keeps none.",
    ),
    setting(
        "keys.provider",
        Kind::Choice(&["auto", "local", "transit", "aws-kms"]),
        "auto",
        "Who wraps new data keys; others that are configured still unwrap theirs. auto: the key ring where there is one, else the key service. local: the key ring.",
    ),
    named(
        "PATCHBAY_KEYRING_FILE",
        setting(
            "keys.keyring_file",
            Kind::Path,
            "",
            "Key ring that secrets are sealed with, mode 0600. Empty with the embedded database: keyring.json in server.data_dir.",
        ),
    ),
    named(
        "PATCHBAY_KEYRING",
        setting("keys.keyring", Kind::Secret, "", "The key ring itself as JSON, instead of a file."),
    ),
    setting(
        "keys.transit_url",
        Kind::Endpoint,
        "",
        "An OpenBao or Vault whose transit engine wraps data keys, for instance https://bao.example.com:8200.",
    ),
    setting("keys.transit_mount", Kind::Text, "transit", "Where the transit engine is mounted."),
    setting(
        "keys.transit_key",
        Kind::Text,
        "patchbay",
        "The key there: aes256-gcm96, derived. It is never made by Patchbay.",
    ),
    named(
        "PATCHBAY_TRANSIT_TOKEN_FILE",
        setting(
            "keys.transit_token_file",
            Kind::Path,
            "",
            "Holds the token for the key service, and is read anew for each call: an agent beside Patchbay can keep it fresh.",
        ),
    ),
    named(
        "PATCHBAY_TRANSIT_TOKEN",
        setting("keys.transit_token", Kind::Token, "", "The token itself, instead of a file. Nobody renews it."),
    ),
    setting("keys.transit_namespace", Kind::Text, "", "Namespace of the transit engine. Empty for none."),
    setting(
        "keys.transit_ca_file",
        Kind::Path,
        "",
        "Certificates (PEM) to know the key service by. Empty: the public authorities.",
    ),
    setting(
        "keys.transit_key_per_account",
        Kind::Switch,
        "false",
        "Wrap each account's data keys with a key of its own, made at the first need, so that it can be destroyed with the account.",
    ),
    setting(
        "keys.kms_key_id",
        Kind::Text,
        "",
        "Key in AWS KMS that wraps data keys: id, ARN or alias. Needs a build with the feature aws-kms; credentials as for every AWS tool.",
    ),
    setting(
        "keys.kms_region",
        Kind::Text,
        "",
        "Region of that key. Empty: that of its ARN, else AWS_REGION or the profile's.",
    ),
    setting(
        "keys.kms_endpoint_url",
        Kind::Url,
        "",
        "Where KMS is, such as a VPC endpoint. Empty: where the region has it.",
    ),
    number(
        "keys.cache_entries",
        0,
        1_000_000,
        "10000",
        "Most accounts whose data keys are kept in memory, unwrapped; 0 keeps none.",
    ),
    number("keys.cache_ttl_ms", 0, 3_600_000, "300000", "How long an unwrapped data key is kept in memory."),
    number(
        "keys.data_key_max_age_days",
        0,
        36_500,
        "90",
        "Age at which an account's data key is replaced, by the next secret it stores; 0 is never.",
    ),
    number(
        "keys.data_key_max_seals",
        1,
        4_294_967_295,
        "2147483648",
        "Values that a data key seals before it is replaced; 4294967296 is the most that is safe.",
    ),
    number(
        "keys.timeout_ms",
        100,
        30_000,
        "3000",
        "How long a call to a key service may take, its second attempt included.",
    ),
    number(
        "keys.probe_ms",
        100,
        600_000,
        "10000",
        "How often the keys of a key service are checked: an outage shows in /readyz, and its end, without a request.",
    ),
    setting(
        "secrets.read_back",
        Kind::Switch,
        "false",
        "Let credentials with the scope secrets:read read stored secrets back. Each read is recorded in the audit log.",
    ),
    number("limits.params_max_bytes", 1, 1_048_576, "65536", "Largest params of one install."),
    number(
        "limits.params_max_bytes_per_account",
        1,
        1_073_741_824,
        "1048576",
        "Most params of all installations of one account together, those of uninstalled integrations included; more are answered 409.",
    ),
    number("limits.secrets_max_bytes", 1, 1_048_576, "65536", "Largest secrets of one install."),
    setting(
        "limits.rate",
        Kind::Choice(&["auto", "true", "false"]),
        "auto",
        "Limit how often each account and each credential for one account may ask, on one replica. auto: unless auth.mode has open.",
    ),
    number(
        "limits.requests_per_minute",
        0,
        1_000_000_000,
        "60",
        "Requests an account, and a credential for one account, may make at once and gets back evenly within a minute; 0 is no limit.",
    ),
    number("limits.requests_per_hour", 0, 1_000_000_000, "1000", "The same for an hour."),
    number("limits.requests_per_day", 0, 1_000_000_000, "10000", "The same for a day."),
    number(
        "limits.requests_in_flight",
        0,
        1_000_000,
        "20",
        "Most requests of an account, and of a credential for one account, worked on at once; 0 is no limit.",
    ),
    number(
        "limits.failures_per_minute",
        0,
        1_000_000,
        "120",
        "Requests without a valid credential that one peer address (IPv6: /64 network) may make within a minute; further ones are answered 429. Loopback and auth.gateway_networks have no such limit; 0 is none.",
    ),
    number("graphql.max_depth", 1, 100, "16", "Deepest nesting of fields; GraphiQL's introspection needs 15."),
    number(
        "graphql.max_complexity",
        1,
        1_000_000,
        "5000",
        "Most fields of an answer, lists counted at their page size.",
    ),
    number("graphql.max_aliases", 0, 10_000, "30", "Most aliases of an operation."),
    number("graphql.max_directives", 0, 10_000, "10", "Most directives of a document."),
    number(
        "graphql.max_root_fields",
        1,
        10_000,
        "20",
        "Most fields of the root that an operation executes, equal ones merged; each counts as a request.",
    ),
    number("graphql.max_mutations", 1, 10_000, "10", "Most mutations of an operation, equal ones merged."),
    number("graphql.max_document_bytes", 256, 1_048_576, "65536", "Largest query document."),
    number(
        "graphql.max_sockets_per_credential",
        0,
        100_000,
        "100",
        "Most open WebSockets of one API key or token subject on one replica; 0 is no limit.",
    ),
    number(
        "graphql.max_sockets_per_account",
        0,
        100_000,
        "200",
        "Most open WebSockets of one account on one replica; 0 is no limit.",
    ),
    number(
        "graphql.max_subscriptions_per_account",
        0,
        10_000,
        "100",
        "Most open subscriptions of one account on one replica.",
    ),
    number(
        "graphql.subscription_poll_ms",
        50,
        2_000,
        "1000",
        "How often the account's change counter is read while someone is subscribed.",
    ),
    setting("graphql.graphiql", AUTO, "auto", "Serve GraphiQL at /graphiql. auto: when listening on loopback."),
    setting(
        "graphql.introspection",
        Kind::Choice(&["on", "credential", "off", "true", "false"]),
        "on",
        "Who may ask for the schema: on (everybody, and wrong names get suggestions), credential (callers that prove one), \
         off. true and false mean on and off.",
    ),
    number(
        "catalog.poll_ms",
        50,
        60_000,
        "1000",
        "How often the catalog's revision is read, to see what another replica changed.",
    ),
    number(
        "audit.retention_days",
        0,
        36_500,
        "400",
        "How long the audit log is kept; what is older is deleted within the hour. 0 keeps it for ever.",
    ),
    number(
        "audit.max_bytes_per_day",
        0,
        1_099_511_627_776,
        "16777216",
        "Most bytes of events per account and day that keep the names of what changed, on one replica; further events keep their number. 0 is no limit.",
    ),
    setting(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "How much Patchbay logs. Libraries are never let past warn: their finer logs print requests and statements.",
    ),
    setting(
        "log.format",
        Kind::Choice(&["auto", "pretty", "json"]),
        "auto",
        "auto: pretty on a terminal, JSON lines otherwise.",
    ),
    setting(
        "telemetry.otlp_endpoint",
        Kind::Endpoint,
        "",
        "An OpenTelemetry collector that takes traces over HTTP, for instance http://127.0.0.1:4318. Empty: no traces. Needs a build with the feature otlp.",
    ),
    setting(
        "telemetry.otlp_headers",
        Kind::Token,
        "",
        "Headers for the collector, NAME=VALUE with commas between them, such as a token.",
    ),
    setting("telemetry.otlp_service_name", Kind::Text, "patchbay", "What this server is called in traces."),
    number(
        "telemetry.otlp_sample_permille",
        0,
        1_000,
        "1000",
        "Of 1,000 requests so many are traced; those whose sender has decided follow the sender.",
    ),
];

/// A network, or a single address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Setting {
    /// The setting with this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The setting whose name comes nearest to this key or variable, if one is near.
    pub(super) fn similar(name: &str) -> Option<&'static Self> {
        let letters = |text: &str| text.replace(['.', '_', '-'], "").to_lowercase();
        let wanted = letters(name.strip_prefix("PATCHBAY_").unwrap_or(name));
        let is_same = |setting: &&Self| letters(setting.key) == wanted || letters(setting.name()) == wanted;
        let is_near = |setting: &&Self| {
            let key = letters(setting.key);
            wanted.len() >= 4 && (key.starts_with(&wanted) || wanted.ends_with(&letters(setting.name())))
        };
        SETTINGS.iter().find(is_same).or_else(|| SETTINGS.iter().find(is_near))
    }

    /// The part of the key before the dot.
    pub(super) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part of the key after the dot.
    fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// The environment variable that always works.
    pub fn env_name(&self) -> String {
        format!("PATCHBAY_{}", self.key.replace('.', "__").to_uppercase())
    }

    /// Never shown, and also readable from the file that `…_FILE` names.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Token | Kind::DatabaseUrl | Kind::PostgresUrl)
    }

    /// Whether it names a database. Such a URL may hold a password, and need not.
    pub fn is_database_url(&self) -> bool {
        matches!(self.kind, Kind::DatabaseUrl | Kind::PostgresUrl)
    }

    /// The allowed values in words, where they are few or bounded.
    pub fn range(&self) -> Option<String> {
        match self.kind {
            Kind::Number { min, max } => Some(format!("{min} to {max}")),
            Kind::Switch => Some("true, false".into()),
            Kind::Choice(words) => Some(words.join(", ")),
            Kind::Address => Some("ADDRESS:PORT, for instance 127.0.0.1:8080".into()),
            Kind::DatabaseUrl => Some("a URL that starts with postgres:// or sqlite:".into()),
            Kind::Prefix => Some("a path such as /patchbay: letters, digits, - . _ ~, without a slash at the end".into()),
            Kind::PostgresUrl => Some("a URL that starts with postgres://".into()),
            Kind::Endpoint => Some("a URL with a host, without user name, password and query".into()),
            Kind::Hosts => Some("host names without ports, separated by commas, or * alone for any".into()),
            Kind::Origins => Some(
                "origins separated by commas, for instance https://app.example.com; never *, which would let in every page"
                    .into(),
            ),
            Kind::Words(words) => Some(format!("{}; several with commas between", words.join(", "))),
            Kind::Scopes => {
                let words: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                Some(format!("{}; several with commas between", words.join(", ")))
            }
            Kind::Networks => Some("networks such as 10.1.0.0/16, with commas between".into()),
            Kind::Url => Some("a URL that starts with https:// (http:// only for this machine itself)".into()),
            Kind::Issuers => Some("tables [[auth.issuers]], elsewhere a JSON list".into()),
            Kind::Path | Kind::Text | Kind::Secret | Kind::Token => None,
        }
    }

    /// Whether a value fits.
    ///
    /// # Errors
    /// What is allowed instead. The sentence holds no part of a secret.
    pub fn check(&self, text: &str) -> Result<(), String> {
        if !matches!(self.kind, Kind::Secret) && text.contains(char::is_control) {
            return Err("line breaks and other control characters are not allowed".into());
        }
        let fits = match self.kind {
            Kind::Issuers => return issuers(text).map(drop),
            Kind::DatabaseUrl | Kind::PostgresUrl | Kind::Endpoint | Kind::Url if text.is_empty() => true,
            Kind::DatabaseUrl if text.starts_with("sqlite:") => return parse_sqlite_url(text).map(drop),
            Kind::DatabaseUrl | Kind::PostgresUrl if text.starts_with("postgres") => {
                return PostgresUrl::parse(text).map(drop);
            }
            Kind::DatabaseUrl | Kind::PostgresUrl => false,
            Kind::Path if text.starts_with('~') => return Err(HOME_REFUSAL.into()),
            Kind::Endpoint => return check_endpoint(text),
            Kind::Number { min, max } => text.parse::<u64>().is_ok_and(|n| (min..=max).contains(&n)),
            Kind::Switch => matches!(text, "true" | "false"),
            Kind::Choice(words) => words.contains(&text),
            Kind::Address => text.parse::<SocketAddr>().is_ok(),
            Kind::Prefix => is_prefix(text),
            Kind::Hosts => text == "*" || items(text).all(is_host),
            Kind::Origins => items(text).all(is_origin),
            Kind::Words(words) => items(text).next().is_some() && items(text).all(|word| words.contains(&word)),
            Kind::Scopes => items(text).all(|word| Scope::parse(word).is_some()),
            Kind::Networks => items(text).all(|word| network(word).is_some()),
            Kind::Url => outbound::service_url(text).is_ok_and(|url| !outbound::is_exposed(&url)),
            Kind::Path | Kind::Text | Kind::Secret | Kind::Token => true,
        };
        if fits { Ok(()) } else { Err(format!("allowed: {}", self.range().unwrap_or_default())) }
    }

    /// A value in a message: quoted, or `<set>` for a secret; a URL that may hold a password is left out.
    pub(super) fn shown(&self, text: &str) -> String {
        match text {
            _ if self.is_secret() => "<set>".into(),
            _ if may_hold_password(text) => "<not shown: it may hold a password>".into(),
            _ => format!("{text:?}"),
        }
    }

    /// A value in TOML.
    pub fn as_toml(&self, text: &str) -> String {
        match self.kind {
            Kind::Number { .. } | Kind::Switch => text.to_owned(),
            _ => format!("{text:?}"),
        }
    }
}

/// Whether a text has a URL with a user name or a query.
pub(super) fn may_hold_password(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.contains(['@', '?']))
}

fn check_endpoint(text: &str) -> Result<(), String> {
    let uri = outbound::service_url(text)?;
    if uri.query().is_some() || text.contains('#') {
        return Err("must end with the host or a path".into());
    }
    Ok(())
}

/// The items of a list; none when it is empty.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(move |_| !text.trim().is_empty())
}

/// Empty, or segments of characters that need no encoding, none of which leads elsewhere.
fn is_prefix(text: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    text.is_empty() || text.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment))
}

/// A name or an address, IPv6 in brackets, without a port.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    }
}

/// As browsers write one, which is what it is compared with: lower case, no path, no port that goes without saying.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_said = match (scheme, port) {
        ("http", Some("80")) | ("https", Some("443")) => false,
        (_, Some(port)) => port.parse::<u16>().is_ok(),
        (_, None) => true,
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme && is_said && is_host(host) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(key: &str, text: &str) -> bool {
        Setting::find(key).expect("a setting").check(text).is_ok()
    }

    #[test]
    fn allowed_hosts_are_names_and_addresses_without_ports() {
        for good in ["", " ", "*", "a.example", "A.example, 10.0.0.7 ,b-c.example", "[::1]", "patchbay"] {
            assert!(fits("server.allowed_hosts", good), "{good:?}");
        }
        for bad in [
            "a.example:80",
            "http://a.example",
            "a.example/",
            ",",
            "a,",
            "*, a.example",
            "*.example",
            "[::1",
            "::1",
            "a b",
            "ä.example",
        ] {
            assert!(!fits("server.allowed_hosts", bad), "{bad:?}");
        }
    }

    #[test]
    fn cors_origins_are_exact_and_never_every_page() {
        for good in [
            "",
            "https://app.example.com",
            "http://localhost:5173, https://app.example.com:8443",
            "http://[::1]:5173",
            "http://[::1]",
            "tauri://localhost",
            "http://a:443",
        ] {
            assert!(fits("server.cors_origins", good), "{good:?}");
        }
        for bad in [
            "*",
            "null",
            "app.example.com",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://a:80",
            "https://a:port",
            "https://",
            "://a",
            "https://u@a",
            "https://a,",
            "https://a;https://b",
        ] {
            assert!(!fits("server.cors_origins", bad), "{bad:?}");
        }
        let fault = Setting::find("server.cors_origins").expect("a setting").check("*").expect_err("every page");
        assert!(fault.contains("every page"), "{fault}");
    }
}
