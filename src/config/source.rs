//! Where values come from.

use std::collections::BTreeMap;
use std::fmt;

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
            Some(setting) => {
                raw.insert(setting.key, Raw { text: text.clone(), origin: Origin::Flag(flag.clone()) });
            }
            None => faults.push(format!("{key} ({flag}): no such setting; `patchbay config show` lists them all")),
        }
    }
    (raw, faults)
}

fn from_file(name: &str, text: &str, raw: &mut BTreeMap<&'static str, Raw>, faults: &mut Vec<String>) {
    let document: toml::Table = match text.parse() {
        Ok(document) => document,
        Err(error) => {
            // The library's full text quotes the line, which may hold a password.
            faults.push(format!("{name}: not valid TOML: {}", error.message()));
            return;
        }
    };
    for (section, content) in document {
        let toml::Value::Table(content) = content else {
            faults.push(format!("{section} ({name}): settings stand in sections, for instance [server]"));
            continue;
        };
        for (setting, value) in content {
            let key = format!("{section}.{setting}");
            let Some(setting) = Setting::find(&key) else {
                faults.push(format!("{key} ({name}): no such setting; `patchbay config show` lists them all"));
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

fn from_environment(environment: &[(String, String)], raw: &mut BTreeMap<&'static str, Raw>, faults: &mut Vec<String>) {
    for (variable, text) in environment {
        if !variable.starts_with(PREFIX) || OTHERS.contains(&variable.as_str()) {
            continue;
        }
        let origin = Origin::Environment(variable.clone());
        let exact = SETTINGS.iter().find(|s| s.env == Some(variable) || s.env_name() == *variable);
        if let Some(setting) = exact {
            raw.insert(setting.key, Raw { text: text.clone(), origin });
            continue;
        }
        let from_file = variable
            .strip_suffix("_FILE")
            .and_then(|name| SETTINGS.iter().find(|s| s.is_secret() && (s.env == Some(name) || s.env_name() == name)));
        match from_file.map(|setting| (setting, std::fs::read_to_string(text))) {
            Some((setting, Ok(content))) => {
                raw.insert(setting.key, Raw { text: content.trim_end().to_owned(), origin });
            }
            Some((_, Err(error))) => faults.push(format!("{origin}: cannot read {text}: {error}")),
            None => faults.push(format!("{origin}: no such setting; `patchbay config show` lists them all")),
        }
    }
}
