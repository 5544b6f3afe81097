//! The configuration of a command: file, environment and flags.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Failure, Settings};
use crate::config::{Config, Resolved, Setting, Sources};
use crate::store::has_password;

/// The configuration file that is read when it is there.
const DEFAULT_FILE: &str = "patchbay.toml";
const CONFIG_VARIABLE: &str = "PATCHBAY_CONFIG";

/// The settings in force as the parts of the program take them.
pub(super) fn configure(settings: &Settings) -> Result<Config, Failure> {
    let resolved = resolve(settings)?;
    let file = file(settings)?.filter(|_| resolved.has_secret_from_file());
    let mut config = Config::from(&resolved);
    config.warnings.extend(file.as_deref().and_then(exposure));
    Ok(config)
}

/// The settings in force with their sources.
pub(super) fn resolve(settings: &Settings) -> Result<Resolved, Failure> {
    let sources = Sources {
        file: read_file(settings)?,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect(),
        flags: flags(settings)?,
    };
    Resolved::read(&sources).map_err(Failure::Configuration)
}

/// The configuration file, if one is named or the default one is there.
fn file(settings: &Settings) -> Result<Option<PathBuf>, Failure> {
    let variable = std::env::var_os(CONFIG_VARIABLE);
    if settings.config.is_none() && variable.as_ref().is_some_and(|path| path.is_empty()) {
        let fault = format!("environment variable {CONFIG_VARIABLE} is empty: name a file, or unset the variable");
        return Err(Failure::Configuration(vec![fault]));
    }
    let named = settings.config.clone().or_else(|| variable.map(PathBuf::from));
    Ok(named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists())))
}

fn read_file(settings: &Settings) -> Result<Option<(String, String)>, Failure> {
    let Some(path) = file(settings)? else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(e) => {
            let source = match (&settings.config, std::env::var_os(CONFIG_VARIABLE)) {
                (Some(_), _) => " (--config)".to_owned(),
                (None, Some(_)) => format!(" (environment variable {CONFIG_VARIABLE})"),
                (None, None) => String::new(),
            };
            let path = path.display().to_string();
            Err(Failure::Configuration(vec![format!("cannot read the configuration file {path:?}{source}: {e}")]))
        }
    }
}

/// The warning about a file of secrets that is not private, if it is not.
#[cfg(unix)]
fn exposure(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).ok()?;
    let name = path.display();
    if file.mode() & 0o007 != 0 || file.mode() & 0o020 != 0 {
        return Some(format!(
            "{name} holds secrets, and other users can read or change it (mode {:03o}): run `chmod 640 {name}`, or keep the \
             secrets in files that variables such as PATCHBAY_DATABASE_URL_FILE name",
            file.mode() & 0o777
        ));
    }
    // The process shows its own user by what it owns.
    let own = fs::metadata("/proc/self").ok()?.uid();
    let is_trusted = [0, own].contains(&file.uid());
    (!is_trusted).then(|| {
        format!("{name} holds secrets, and belongs to another user (id {}), who can read and change it", file.uid())
    })
}

#[cfg(not(unix))]
fn exposure(_: &Path) -> Option<String> {
    None
}

fn flags(settings: &Settings) -> Result<Vec<(String, String, String)>, Failure> {
    let named = [
        ("server.listen", "--listen", settings.listen.clone()),
        ("server.data_dir", "--data-dir", settings.data_dir.clone()),
        ("database.url", "--database-url", settings.database_url.clone()),
        (
            "server.insecure_trust_account_header",
            "--insecure-trust-account-header",
            settings.insecure_trust_account_header.then(|| "true".to_owned()),
        ),
    ];
    let named = named.into_iter().filter_map(|(key, flag, value)| Some((key.to_owned(), flag.to_owned(), value?)));
    let mut flags: Vec<_> = named.collect();
    for pair in &settings.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::Configuration(vec!["--set takes KEY=VALUE, for instance --set log.level=debug".to_owned()])
        })?;
        flags.push((key.to_owned(), "--set".to_owned(), value.to_owned()));
    }
    let faults: Vec<_> = flags.iter().filter_map(|(key, flag, value)| exposed_secret(key, flag, value)).collect();
    if faults.is_empty() { Ok(flags) } else { Err(Failure::Configuration(faults)) }
}

/// The fault of a secret in a flag, which every user of the machine sees in the list of processes.
fn exposed_secret(key: &str, flag: &str, value: &str) -> Option<String> {
    let setting = Setting::find(key).filter(|setting| setting.is_secret())?;
    if setting.is_database_url() && !has_password(value) {
        return None;
    }
    let variable = setting.env.map_or_else(|| setting.env_name(), str::to_owned);
    let file = format!("{variable}_FILE");
    Some(format!(
        "{key} ({flag}): other users see flags in the list of processes: set {variable}, or {file} to the name of a file \
         that holds it"
    ))
}
