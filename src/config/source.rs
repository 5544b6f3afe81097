//! Where values come from.

use std::collections::BTreeMap;
use std::fmt;

use super::BYTE_ORDER_MARK;
use super::settings::{SETTINGS, Setting};

const PREFIX: &str = "PATCHBAY_";
/// Not settings: the first names the configuration file and is read by the command line, the second is for builds.
const OTHERS: [&str; 2] = ["PATCHBAY_CONFIG", "PATCHBAY_SKIP_WEB"];

/// What the program was started with.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name and text of the configuration file.
    pub file: Option<(String, String)>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// Key, the flag's own name, and value.
    pub flags: Vec<(String, String, String)>,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// This configuration file.
    File(String),
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) => f.write_str(name),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

pub(super) struct Raw {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// The last word on each key, and what could not be understood.
pub(super) fn gather(sources: &Sources) -> (BTreeMap<&'static str, Raw>, Vec<String>) {
    let mut raw = BTreeMap::new();
    let mut faults = Vec::new();
    if let Some((name, text)) = &sources.file {
        from_file(name, text, &mut raw, &mut faults);
    }
    from_environment(&sources.environment, &mut raw, &mut faults);
    for (key, flag, text) in &sources.flags {
        match Setting::find(key) {
            // A list may be empty.
            Some(setting) if text.trim().is_empty() && !setting.kind.is_list() => {
                faults.push(format!("{} ({flag}): the value is empty: give one, or leave the flag out", setting.key));
            }
            Some(setting) => {
                raw.insert(setting.key, Raw { text: text.clone(), origin: Origin::Flag(flag.clone()) });
            }
            None => faults.push(unknown(&format!("{key} ({flag})"), key)),
        }
    }
    (raw, faults)
}

fn from_file(name: &str, text: &str, raw: &mut BTreeMap<&'static str, Raw>, faults: &mut Vec<String>) {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let document: toml::Table = match text.parse() {
        Ok(document) => document,
        Err(error) => {
            // The library's full text quotes the line, which may hold a password.
            let position = error.span().map(|span| line_and_column(text, span.start)).unwrap_or_default();
            faults.push(format!("{name}{position}: not valid TOML: {}", error.message()));
            return;
        }
    };
    for (section, content) in document {
        let toml::Value::Table(content) = content else {
            let home =
                Setting::similar(&section).map_or("[server]".into(), |setting| format!("[{}]", setting.section()));
            faults.push(format!("{section:?} ({name}): a setting belongs in a section, such as {home}"));
            continue;
        };
        for (setting, value) in content {
            let key = format!("{section}.{setting}");
            let Some(setting) = Setting::find(&key) else {
                faults.push(unknown(&format!("{key} ({name})"), &key));
                continue;
            };
            let text = match value {
                toml::Value::String(text) => text,
                list @ toml::Value::Array(_) => serde_json::json!(list).to_string(),
                other => other.to_string(),
            };
            raw.insert(setting.key, Raw { text, origin: Origin::File(name.to_owned()) });
        }
    }
}

/// ` line L column C` of a byte of a text.
fn line_and_column(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    format!(" line {} column {}", before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The fault of a name that is no setting's; `named` says it with its source.
fn unknown(named: &str, name: &str) -> String {
    let hint = match Setting::similar(name) {
        Some(setting) => {
            format!("did you mean {} ({})?", setting.key, setting.env.map_or(setting.env_name(), Into::into))
        }
        None => "`patchbay config show` lists them all".into(),
    };
    format!("{named}: no such setting; {hint}")
}

fn from_environment(environment: &[(String, String)], raw: &mut BTreeMap<&'static str, Raw>, faults: &mut Vec<String>) {
    let mut given: BTreeMap<&'static str, (&str, String)> = BTreeMap::new();
    for (variable, text) in environment {
        if !variable.starts_with(PREFIX) || OTHERS.contains(&variable.as_str()) {
            continue;
        }
        match read_variable(variable, text) {
            Err(fault) => faults.push(fault),
            Ok((setting, text)) => match given.get(setting.key) {
                Some((other, earlier)) if *earlier != text => faults.push(format!(
                    "environment variables {other} and {variable} both set {}: unset one of them",
                    setting.key
                )),
                _ => drop(given.insert(setting.key, (variable, text))),
            },
        }
    }
    for (key, (variable, text)) in given {
        raw.insert(key, Raw { text, origin: Origin::Environment(variable.to_owned()) });
    }
}

/// The setting that a variable sets, and its value, which a file may hold.
fn read_variable(variable: &str, text: &str) -> Result<(&'static Setting, String), String> {
    let origin = Origin::Environment(variable.to_owned());
    let is_named = |setting: &&Setting, name: &str| setting.env == Some(name) || setting.env_name() == name;
    let exact = SETTINGS.iter().find(|setting| is_named(setting, variable));
    let from_file = variable.strip_suffix("_FILE").filter(|_| exact.is_none());
    let from_file =
        from_file.and_then(|name| SETTINGS.iter().find(|setting| setting.is_secret() && is_named(setting, name)));
    let Some(setting) = exact.or(from_file) else { return Err(unknown(&origin.to_string(), variable)) };
    if text.trim().is_empty() {
        return Err(format!("{origin} is empty: give {} a value, or unset the variable", setting.key));
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(format!("{origin} is not valid UTF-8"));
    }
    if from_file.is_none() {
        return Ok((setting, text.to_owned()));
    }
    let content = std::fs::read_to_string(text).map_err(|error| format!("{origin}: cannot read {text:?}: {error}"))?;
    if super::trim_secret(&content).is_empty() {
        return Err(format!("{origin}: the file {text:?} is empty"));
    }
    Ok((setting, content))
}
