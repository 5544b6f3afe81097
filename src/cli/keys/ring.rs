//! The key ring file.

use std::path::PathBuf;

use super::{Force, RingFile, on_database, servers};
use crate::app;
use crate::cli::print::{print, print_once, sentence, tell};
use crate::config::Config;
use crate::service::KeyKeeper;
use crate::vault::{Keyring, KeyringError, LOCAL};

pub(in crate::cli) fn generate(out: Option<PathBuf>) -> Result<(), String> {
    match out {
        Some(path) => {
            Keyring::create(&path).map_err(told)?;
            print(&format!("Wrote a key ring to {}. Keep a copy: secrets cannot be read without it\n", path.display()))
        }
        None => print_once(&Keyring::generate().map_err(told)?),
    }
}

pub(super) fn add(config: &Config, ring: RingFile) -> Result<(), String> {
    let file = file(config, ring)?;
    let id = Keyring::add(&file).map_err(told)?;
    print(&format!("{id}\n"))?;
    tell(&format!(
        "Key {id} is in {}, and only unwraps. Keep a copy; bring the file to every server, send each SIGHUP, and then run \
         `patchbay keys promote {id}`.",
        file.display()
    ));
    Ok(())
}

pub(super) async fn promote(config: &Config, id: u32, force: &Force, ring: RingFile) -> Result<(), String> {
    let file = file(config, ring)?;
    let promote = || Keyring::promote(&file, id).map_err(told);
    // Without a database there is no server.
    match !force.force && config.embedded_database().is_none_or(|database| database.exists()) {
        false => promote()?,
        true => {
            let key = format!("{LOCAL}:{id}");
            on_database(config, async |keys| {
                servers::require_known(keys, LOCAL, &key, force).await?;
                promote()?;
                keys.request_reload().await.map_err(sentence)
            })
            .await?;
        }
    }
    print(&format!(
        "Key {id} is the primary key of {}. Bring the file to every server, send each SIGHUP, and then run `patchbay keys \
         rewrap`\n",
        file.display()
    ))
}

pub(super) async fn remove(
    config: &Config,
    keys: &KeyKeeper,
    id: u32,
    force: &Force,
    ring: RingFile,
) -> Result<(), String> {
    let file = file(config, ring)?;
    let key = format!("{LOCAL}:{id}");
    if keys.needs(&key).await.map_err(sentence)? {
        return Err(format!("the database still knows {key}: run `patchbay keys retire {key}` first"));
    }
    servers::require_unused(keys, &key, force).await?;
    Keyring::remove(&file, id).map_err(told)?;
    keys.request_reload().await.map_err(sentence)?;
    print(&format!(
        "Key {id} is not in {} any more. Keep a copy of it as long as backups from before are to be readable\n",
        file.display()
    ))
}

fn file(config: &Config, ring: RingFile) -> Result<PathBuf, String> {
    ring.file.map_or_else(|| app::keyring_file(config), Ok)
}

fn told(error: KeyringError) -> String {
    error.to_string()
}
