//! Configuration: defaults < file < environment < flags.
//!
//! Every setting stands once in [`settings::SETTINGS`], with its default, its range and its help; from there come the
//! parsing, the error messages, `patchbay config show` and the commented file that `patchbay config default` prints.
//! Only the top of the program reads this; parts get their section by value.

mod auth;
mod sections;
mod settings;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use auth::AuthSection;
pub use sections::{Config, KeysSection, LogFormat, LogSection, ServerSection, TracesSection};
pub use settings::{Kind, SETTINGS, Setting};
pub use source::{Origin, Sources};

use source::Raw;

/// A checked value and where it came from.
#[derive(Clone, Debug)]
pub struct Value {
    /// As text, in the setting's own form.
    pub text: String,
    /// A secret with the white space around it, where there was any.
    untrimmed: Option<String>,
    /// Who set it.
    pub origin: Origin,
}

/// A secret without the white space and byte order mark around it, which editors and `echo` leave in files.
pub(crate) fn trim_secret(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK)
}

/// What some editors put at the start of a file.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The settings in force. Every key of [`SETTINGS`] is there.
#[derive(Clone, Debug)]
pub struct Resolved(BTreeMap<&'static str, Value>);

impl Resolved {
    /// Reads all sources and checks every value.
    ///
    /// # Errors
    /// Every fault found, one sentence each, naming key, value, source and the allowed range.
    pub fn read(sources: &Sources) -> Result<Self, Vec<String>> {
        let (raw, mut faults) = source::gather(sources);
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let default = Raw { text: setting.default.to_owned(), origin: Origin::Default };
            let raw = raw.get(setting.key).unwrap_or(&default);
            // A secret is the same whether a variable, a file or a flag holds it.
            let text = if setting.is_secret() { trim_secret(&raw.text) } else { &raw.text };
            if let Err(fault) = setting.check(text) {
                // The words of a library may quote what a URL holds.
                let fault = if settings::may_hold_password(&fault) { "not valid" } else { &*fault };
                faults.push(format!("{} = {} ({}): {fault}", setting.key, setting.shown(text), raw.origin));
            }
            let untrimmed = (text != raw.text).then(|| raw.text.clone());
            values.insert(setting.key, Value { text: text.to_owned(), untrimmed, origin: raw.origin.clone() });
        }
        if faults.is_empty() { Ok(Self(values)) } else { Err(faults) }
    }

    /// The value of a key and its origin.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// One line per setting with its source; secrets as `<set>`.
    pub fn show(&self) -> String {
        let mut lines = String::new();
        for setting in SETTINGS {
            let value = &self.0[setting.key];
            let shown = match (setting.is_secret(), value.text.is_empty()) {
                (_, true) => "(none)".to_owned(),
                (true, false) => "<set>".to_owned(),
                (false, false) => value.text.clone(),
            };
            lines.push_str(&format!("{:<38} {:<26} {}\n", setting.key, shown, value.origin));
        }
        lines
    }

    fn text(&self, key: &str) -> &str {
        &self.0[key].text
    }

    /// A secret as it was given.
    fn untrimmed(&self, key: &str) -> &str {
        let value = &self.0[key];
        value.untrimmed.as_deref().unwrap_or(&value.text)
    }

    /// Whether the file sets a secret.
    pub fn has_secret_from_file(&self) -> bool {
        let is_from_file = |value: &Value| !value.text.is_empty() && matches!(value.origin, Origin::File(_));
        SETTINGS.iter().any(|setting| setting.is_secret() && is_from_file(&self.0[setting.key]))
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(self.text(key)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    fn switch(&self, key: &str) -> bool {
        self.text(key) == "true"
    }

    /// Checked before; a number out of its range cannot be here.
    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or_default()
    }
}

/// A commented file with every setting at its default.
pub fn default_file() -> String {
    let mut file = String::from(
        "# Patchbay configuration. Every setting stands here at its default; uncomment what you change.\n\
         # The same keys can be set as environment variables: server.listen is PATCHBAY_SERVER__LISTEN.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if own != section {
            file.push_str(&format!("\n[{own}]\n"));
            section = own;
        }
        file.push_str(&format!("\n# {}\n", setting.help));
        if let Some(range) = setting.range() {
            file.push_str(&format!("# Allowed: {range}.\n"));
        }
        file.push_str(&format!("# {name} = {}\n", setting.as_toml(setting.default)));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Resolved, Vec<String>> {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Resolved::read(&Sources {
            file: Some(("patchbay.toml".into(), toml.into())),
            environment: owned(env),
            flags: flags.iter().map(|(k, v)| (k.to_string(), "--set".to_owned(), v.to_string())).collect(),
        })
    }

    #[test]
    fn defaults_are_valid_and_complete() {
        let resolved = read("", &[], &[]).expect("valid");
        assert_eq!(resolved.text("server.listen"), "127.0.0.1:8080");
        let _ = Config::from(&resolved);
    }

    #[test]
    fn the_default_file_holds_every_setting_at_its_default() {
        let uncommented: String = default_file()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let resolved = read(&uncommented, &[], &[]).expect("valid");
        for setting in SETTINGS {
            assert_eq!(resolved.text(setting.key), setting.default, "{}", setting.key);
            assert!(matches!(resolved.value(setting.key).expect("there").origin, Origin::File(_)), "{}", setting.key);
        }
    }

    #[test]
    fn later_sources_win() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\n[database]\nmax_connections = 3";
        let env = [("PATCHBAY_SERVER__LISTEN", "127.0.0.1:2"), ("HOME", "/root")];
        let resolved = read(file, &env, &[("server.listen", "127.0.0.1:3")]).expect("valid");
        assert_eq!(resolved.text("server.listen"), "127.0.0.1:3");
        assert_eq!(resolved.text("database.max_connections"), "3");
        let resolved = read(file, &env, &[]).expect("valid");
        assert_eq!(resolved.text("server.listen"), "127.0.0.1:2");
    }

    #[test]
    fn every_fault_names_key_value_source_and_range() {
        let faults = read(
            "[server]\nlisten = \"nowhere\"\ncolour = \"red\"\n[graphql]\nmax_depth = 0",
            &[("PATCHBAY_DATABASE__MAX_CONNECTIONS", "many"), ("PATCHBAY_NOPE", "1")],
            &[("log.format", "xml")],
        )
        .expect_err("five faults");
        let all = faults.join("\n");
        assert_eq!(faults.len(), 6, "{all}");
        for part in [
            "server.listen = \"nowhere\" (patchbay.toml)",
            "server.colour (patchbay.toml)",
            "graphql.max_depth = \"0\" (patchbay.toml)",
            "1 to 100",
            "database.max_connections = \"many\" (environment variable PATCHBAY_DATABASE__MAX_CONNECTIONS)",
            "environment variable PATCHBAY_NOPE",
            "log.format = \"xml\" (--set)",
            "auto, pretty, json",
        ] {
            assert!(all.contains(part), "{part} not in\n{all}");
        }
    }

    #[test]
    fn pages_and_hosts_are_left_to_where_the_server_listens() {
        let server = |flags: &[(&str, &str)]| Config::from(&read("", &[], flags).expect("valid")).server;
        let everywhere = ("server.listen", "0.0.0.0:8080");
        for (flags, pages, allowed_hosts) in [
            (&[][..], true, Some(vec![])),
            (&[("server.listen", "[::1]:8080")], true, Some(vec![])),
            (&[("server.allowed_hosts", "*")], true, None),
            (
                &[("server.docs", "false"), ("server.gallery", "false"), ("graphql.graphiql", "false")],
                false,
                Some(vec![]),
            ),
            (&[everywhere], false, None),
            (
                &[everywhere, ("server.docs", "true"), ("server.gallery", "true"), ("graphql.graphiql", "true")],
                true,
                None,
            ),
            (&[everywhere, ("server.allowed_hosts", "a, b")], false, Some(vec!["a".to_owned(), "b".to_owned()])),
        ] {
            let server = server(flags);
            assert_eq!(
                (server.docs, server.gallery, server.graphiql, server.allowed_hosts),
                (pages, pages, pages, allowed_hosts),
                "{flags:?}"
            );
        }
    }

    #[test]
    fn identity_providers_are_tables_in_the_file_and_json_elsewhere() {
        let file = "[auth]\nmode = \"jwt\"\n[[auth.issuers]]\nissuer = \"https://id.example.com\"\naudience = [\"patchbay\"]\n\
            account_claim = \"org\"\nscope_map = { reader = [\"catalog:read\"] }";
        let resolved = read(file, &[], &[]).expect("valid");
        let json = resolved.text("auth.issuers").to_owned();
        assert_eq!(read("", &[("PATCHBAY_AUTH__ISSUERS", &json)], &[]).expect("valid").text("auth.issuers"), json);
        let fault = read(&file.replace("audience", "audiences"), &[], &[]).expect_err("no such field").join("\n");
        assert!(fault.contains("auth.issuers = ") && fault.contains("issuer 1, audiences: unknown field"), "{fault}");
    }

    #[test]
    fn secrets_are_neither_shown_nor_quoted() {
        let url = "postgres://u:hunter2@localhost/db";
        let shown = read("", &[("PATCHBAY_DATABASE_URL", url)], &[]).expect("valid").show();
        assert!(!shown.contains("hunter2") && shown.contains("<set>"), "{shown}");
        let faults = read("", &[("PATCHBAY_DATABASE_URL", "mysql://u:hunter2@h/db")], &[]).expect_err("not supported");
        assert!(!faults.join("").contains("hunter2"), "{faults:?}");
    }
}
