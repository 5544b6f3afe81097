//! Database URLs: every parameter is understood or refused, and no message holds a value of one.
//!
//! The driver logs a parameter that it does not know, with its value, and ignores it. So it only gets those it knows.

use std::fs::File;
use std::path::PathBuf;

use sea_orm::sqlx::postgres::PgConnectOptions;

/// Longest parameter name that a message repeats: longer text may be a piece of a password.
const MAX_SHOWN_NAME: usize = 40;
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const ENCODING_HINT: &str = "percent-encode special characters in user name, password and database name: \
    @ is %40, / is %2F, # is %23, ? is %3F";

/// The settings that take the place of parameters of other clients.
const CURES: [(&str, &str); 12] = [
    ("connect_timeout", "set database.acquire_timeout_ms instead"),
    ("connection_limit", "set database.max_connections instead"),
    ("pool_timeout", "set database.acquire_timeout_ms instead"),
    ("statement_timeout", "set database.statement_timeout_ms instead"),
    ("statement-cache-capacity", "Patchbay sets it; behind a pooler set database.transaction_pooler instead"),
    ("statement_cache_size", "Patchbay sets it; behind a pooler set database.transaction_pooler instead"),
    ("prepared_statements", "behind a pooler set database.transaction_pooler instead"),
    ("pgbouncer", "set database.transaction_pooler instead"),
    ("schema", "write search_path=NAME instead"),
    ("currentSchema", "write search_path=NAME instead"),
    ("sslpassword", "the key file of sslkey must not be encrypted"),
    ("passfile", "set the environment variable PGPASSFILE instead"),
];

/// The URL of a PostgreSQL database whose parameters are all understood. Has no `Debug`: it may hold a password.
#[derive(Clone)]
pub struct PostgresUrl(Box<PgConnectOptions>);

impl PostgresUrl {
    /// Parses `postgres://USER:PASSWORD@HOST:PORT/NAME?PARAMETER=VALUE`.
    ///
    /// # Errors
    /// A sentence for the operator that names the culprit and the cure, without any value of the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (location, query) = text.split_once('?').map_or((text, None), |(location, query)| (location, Some(query)));
        check_location(location, query)?;
        let mut kept = Vec::new();
        let mut search_path = None;
        for (pair, name, value) in parameters(query)? {
            match &*name {
                "search_path" => search_path = Some(value),
                "channel_binding" | "target_session_attrs" => check_parameter(&name, &value)?,
                _ => {
                    check_parameter(&name, &value)?;
                    kept.push(pair);
                }
            }
        }
        let options = format!("{location}?{}", kept.join("&")).parse::<PgConnectOptions>();
        let options = options.map_err(|_| format!("not a valid URL: {ENCODING_HINT}"))?;
        Ok(Self(Box::new(match search_path {
            Some(schemas) => options.options([("search_path", schemas)]),
            None => options,
        })))
    }

    /// As the driver takes it.
    pub(super) fn options(&self) -> PgConnectOptions {
        (*self.0).clone()
    }
}

/// The file of an SQLite URL: `sqlite:PATH` or `sqlite://PATH`, with `?mode=rwc` or nothing behind it.
///
/// # Errors
/// A sentence for the operator that names the culprit and the cure.
pub fn parse_sqlite_url(text: &str) -> Result<PathBuf, String> {
    let rest = text.strip_prefix("sqlite:").ok_or("must start with sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if query.is_some() && PathBuf::from(rest).exists() {
        return Err(
            "an earlier version took the parameters as part of the file's name, and that file exists: rename it to \
            the name before the ?"
                .into(),
        );
    }
    match path {
        "" => return Err("names no file: write sqlite:PATH".into()),
        ":memory:" => return Err("a database in memory is not supported: name a file".into()),
        _ if path.starts_with("file:") => return Err("file: URLs are not supported: write sqlite:PATH".into()),
        _ if path.starts_with('~') => return Err(HOME_REFUSAL.into()),
        _ => {}
    }
    for (_, name, value) in parameters(query)? {
        match (&*name, &*value) {
            ("mode", "rwc") => {}
            ("mode", "ro") => return Err("mode=ro: Patchbay writes to its database; leave the parameter out".into()),
            ("mode", "memory") => return Err("mode=memory: a database in memory is not supported".into()),
            ("mode", _) => return Err("mode: allowed is rwc, which creates a missing file".into()),
            _ => return Err(format!("unknown parameter {}: allowed is mode=rwc", shown(&name))),
        }
    }
    Ok(path.into())
}

/// Whether a database URL holds a password.
pub fn has_password(text: &str) -> bool {
    let (location, query) = text.split_once('?').unwrap_or((text, ""));
    let user = location.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map_or("", |(user, _)| user);
    let is_password = |(name, _): (std::borrow::Cow<'_, str>, _)| name.contains("password");
    user.contains(':') || form_urlencoded::parse(query.as_bytes()).any(is_password)
}

/// Why a path may not start with `~`.
pub const HOME_REFUSAL: &str = "only shells expand ~: write the whole path";

/// Refuses what the driver would read as another host, database or parameter than was meant.
fn check_location(location: &str, query: Option<&str>) -> Result<(), String> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| location.strip_prefix(scheme));
    let rest = rest.ok_or("must start with postgres://")?;
    let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
    let is_misread = |text: &str| text.contains(['@', '/', '#']);
    if is_misread(name) || authority.contains('#') || query.is_some_and(|query| query.contains('#')) {
        return Err(format!("not a valid URL: {ENCODING_HINT}"));
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.contains(',') {
        return Err("several hosts are not supported: name one address that leads to the primary".into());
    }
    Ok(())
}

/// The parameters of a query: each as it is written, its name and its value. Only `options` may stand twice.
fn parameters(query: Option<&str>) -> Result<Vec<(&str, String, String)>, String> {
    let mut parameters: Vec<(&str, String, String)> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let mut decoded = form_urlencoded::parse(pair.as_bytes());
        let (name, value) =
            decoded.next().map(|(name, value)| (name.into_owned(), value.into_owned())).unwrap_or_default();
        if name != "options" && parameters.iter().any(|(_, other, _)| *other == name) {
            return Err(format!("parameter {} stands twice", shown(&name)));
        }
        parameters.push((pair, name, value));
    }
    Ok(parameters)
}

/// Whether the driver, or Patchbay itself, does what the parameter asks for.
fn check_parameter(name: &str, value: &str) -> Result<(), String> {
    match name {
        "sslmode" | "ssl-mode" if !SSL_MODES.contains(&value) => {
            Err(format!("{name}: allowed: {}", SSL_MODES.join(", ")))
        }
        "sslrootcert" | "ssl-root-cert" | "ssl-ca" | "sslcert" | "ssl-cert" | "sslkey" | "ssl-key" => {
            check_pem(name, value)
        }
        "port" if value.parse::<u16>().is_err() => Err("port: allowed: 0 to 65535".into()),
        "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => Err("hostaddr: must be an IP address".into()),
        "channel_binding" if !matches!(value, "disable" | "prefer") => {
            Err("channel_binding: the driver has none: leave \
            it out; sslmode=verify-full with sslrootcert proves the server's identity"
                .into())
        }
        "target_session_attrs" if !matches!(value, "read-write" | "primary") => {
            Err("target_session_attrs: allowed: read-write, primary; Patchbay only works on the primary".into())
        }
        "sslmode"
        | "ssl-mode"
        | "host"
        | "hostaddr"
        | "port"
        | "dbname"
        | "user"
        | "password"
        | "application_name"
        | "options"
        | "channel_binding"
        | "target_session_attrs" => Ok(()),
        _ if name.starts_with("options[") && name.ends_with(']') => Ok(()),
        _ => Err(match CURES.iter().find(|(other, _)| *other == name) {
            Some((_, cure)) => format!("parameter {name} is not supported: {cure}"),
            None => format!(
                "unknown parameter {}: allowed: sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, port, dbname, user, \
                 password, application_name, search_path, options, target_session_attrs",
                shown(name)
            ),
        }),
    }
}

/// The driver would fail at the first connection, and its message would hold the value.
fn check_pem(name: &str, value: &str) -> Result<(), String> {
    if value.trim_start().starts_with("-----BEGIN") {
        return Ok(());
    }
    File::open(value).map(drop).map_err(|error| format!("{name}: cannot read the file: {}", error.kind()))
}

/// A parameter's name in a message; a piece of a password with a `?` or `&` in it may stand where one should.
fn shown(name: &str) -> String {
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    if name.len() <= MAX_SHOWN_NAME && !name.is_empty() && name.bytes().all(is_name) {
        format!("{name:?}")
    } else {
        format!("whose name is not shown ({ENCODING_HINT})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        PostgresUrl::parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"))
    }

    #[test]
    fn known_parameters_reach_the_driver() {
        for text in [
            "postgres://localhost/d",
            "postgresql://u:p%40ss@db.example:6432/d?sslmode=require&application_name=a",
            "postgres:///d?host=/var/run/postgresql",
            "postgres://u@%2Fvar%2Frun/d",
            "postgres://u:p@h/d?target_session_attrs=read-write&channel_binding=prefer",
            "postgres://u:p@h/d?options=-csearch_path%3Da&options[geqo]=off&",
        ] {
            assert!(PostgresUrl::parse(text).is_ok(), "{text}");
        }
        let options = PostgresUrl::parse("postgres://h/d?search_path=a,%20b").expect("accepted").options();
        assert_eq!(options.get_options(), Some("-c search_path=a,\\ b"));
    }

    #[test]
    fn other_parameters_are_refused_by_name_alone() {
        for (query, part) in [
            ("sslmod=CANARY", "unknown parameter \"sslmod\""),
            ("sslpassword=CANARY", "parameter sslpassword is not supported"),
            ("pasword=CANARY", "unknown parameter \"pasword\""),
            ("sslmode=CANARY", "sslmode: allowed: disable"),
            ("port=CANARY", "port: allowed"),
            ("hostaddr=CANARY", "hostaddr: must be"),
            ("sslrootcert=/CANARY", "sslrootcert: cannot read the file: entity not found"),
            ("channel_binding=require", "channel_binding: the driver has none"),
            ("connect_timeout=7", "database.acquire_timeout_ms"),
            ("target_session_attrs=any", "target_session_attrs: allowed"),
            ("schema=CANARY", "search_path=NAME"),
            ("pgbouncer=true", "database.transaction_pooler"),
            ("sslmode=require&sslmode=disable", "\"sslmode\" stands twice"),
            ("CANARY%40h/d", "not shown"),
            ("sslmode=require&CANARY12@h", "not shown"),
        ] {
            let message = refusal(&format!("postgres://u:CANARY@h/d?{query}"));
            assert!(message.contains(part) && !message.contains("CANARY"), "{query}: {message}");
        }
    }

    #[test]
    fn unencoded_special_characters_lead_to_percent_encoding() {
        for password in ["a/CANARY", "1/CANARY", "a#CANARY", "a?CANARY", "1?CANARY", "1#CANARY"] {
            let message = refusal(&format!("postgres://u:{password}@h/d"));
            assert!(message.contains("%40") && !message.contains("CANARY"), "{password}: {message}");
        }
        assert!(PostgresUrl::parse("postgres://u:p@ss@h/d").is_ok());
        assert!(refusal("postgres://u:p@h1,h2/d").contains("several hosts"));
    }

    #[test]
    fn sqlite_parameters_are_never_part_of_the_name() {
        for (text, path) in [
            ("sqlite:data.db", "data.db"),
            ("sqlite:data.db?mode=rwc", "data.db"),
            ("sqlite://data.db?mode=rwc", "data.db"),
            ("sqlite:///tmp/a b.db?", "/tmp/a b.db"),
            ("sqlite:./~x", "./~x"),
        ] {
            assert_eq!(parse_sqlite_url(text), Ok(PathBuf::from(path)), "{text}");
        }
        for (text, part) in [
            ("sqlite:", "names no file"),
            ("sqlite::memory:", "memory"),
            ("sqlite://file:x.db", "file:"),
            ("sqlite:~/x.db", "only shells expand ~"),
            ("sqlite:x.db?mode=ro", "mode=ro"),
            ("sqlite:x.db?mode=memory", "mode=memory"),
            ("sqlite:x.db?mode=rw", "allowed is rwc"),
            ("sqlite:x.db?cache=shared", "unknown parameter \"cache\""),
        ] {
            let message = parse_sqlite_url(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
        let folder = tempfile::tempdir().expect("folder");
        let before = format!("{}/data.db", folder.path().display());
        std::fs::write(format!("{before}?mode=rwc"), "").expect("written");
        assert!(parse_sqlite_url(&format!("sqlite:{before}?mode=rwc")).expect_err("there").contains("rename"));
    }
}
