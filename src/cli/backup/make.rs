//! Making a backup, beside running servers.

use std::fs;
use std::io::{Write, sink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::files::{STOPPED, Workshop, digest, folder_of, publish, sync_folder};
use super::manifest::{Manifest, NeededKey};
use super::{amount, embedded_database};
use crate::app;
use crate::cli::bar::byte_bar;
use crate::cli::print::{print, print_json, sentence};
use crate::cli::signals;
use crate::config::Config;
use crate::store::{self, Contents, Copied, Original};

pub(in crate::cli) const HELP: &str = "\
The manifest, FILE.manifest.json, says what the backup is: format, patchbay (version), made_at,
bytes, sha256, schema (steps taken), keys (provider, key, fingerprint: what it takes to open
its secrets), pepper (fingerprint), accounts, installations, secrets, api_keys. Keep both files
together.

Neither holds a key. Keep the key ring and the pepper apart from backups, with as much care:
  cp -p patchbay-data/keyring.json patchbay-data/pepper /somewhere/else/
again after each `patchbay keys add`, `promote` and `remove`. Without them a backup's secrets
open for nobody, with them for anybody: that is why they are not in it.

With --json: file, manifest (where it is), and what the manifest says

Examples:
  patchbay backup --to /backups/
  patchbay backup --to patchbay.db.backup --force --json
  patchbay backup verify /backups/patchbay-20261128T030000Z.db";

/// Between two looks at how far the copy is.
const TICK: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    manifest: &'a Path,
    #[serde(flatten)]
    says: &'a Manifest,
}

pub(super) async fn make(config: &Config, to: &Path, force: bool, json: bool) -> Result<(), String> {
    let database = embedded_database(config, "backup")?;
    if !database.exists() {
        return Err(format!("there is no database at {}. Name its folder with --data-dir", database.display()));
    }
    let made_at = store::now();
    let file = name_for(to, made_at)?;
    refuse_taken(&file, database, force)?;
    let stop = signals::stop_flag()?;
    let workshop = Workshop::open(folder_of(&file))?;
    let draft = workshop.file("database")?;
    copy(database, &draft, &stop).await?;
    let manifest = describe(&draft, made_at, &stop).await?;
    write(&workshop, &draft, &file, &manifest, force)?;
    match json {
        true => print_json(&Report { file: &file, manifest: &Manifest::place(&file), says: &manifest }),
        false => print(&told(config, &file, &manifest)),
    }
}

/// The file that is meant: in a folder one that is named by the moment.
fn name_for(to: &Path, made_at: DateTime<Utc>) -> Result<PathBuf, String> {
    if to.is_dir() {
        return Ok(to.join(format!("patchbay-{}.db", made_at.format("%Y%m%dT%H%M%SZ"))));
    }
    // Made here it might hide that a disk is not mounted.
    let folder = folder_of(to);
    match to.as_os_str().to_string_lossy().ends_with('/') || !folder.is_dir() {
        true => {
            let folder = if to.as_os_str().to_string_lossy().ends_with('/') { to } else { folder };
            Err(format!("there is no folder {}: make it first", folder.display()))
        }
        false => Ok(to.to_owned()),
    }
}

fn refuse_taken(file: &Path, database: &Path, force: bool) -> Result<(), String> {
    let real = |path: &Path| Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?));
    let of_database = ["", "-wal", "-shm"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        real(Path::new(&name))
    });
    if of_database.contains(&real(file)) {
        return Err(format!("{} is the database itself: name another file", file.display()));
    }
    let taken = [file.to_owned(), Manifest::place(file)].into_iter().find(|path| path.symlink_metadata().is_ok());
    match taken {
        Some(path) if !force => Err(taken_already(&path)),
        _ => Ok(()),
    }
}

fn taken_already(path: &Path) -> String {
    format!("{} is there already: name another file, or say --force to replace it", path.display())
}

async fn copy(database: &Path, draft: &Path, stop: &AtomicBool) -> Result<(), String> {
    let failed = |error| format!("cannot copy {}: {}", database.display(), sentence(error));
    let original = Original::open(database).await.map_err(failed)?;
    let bar = byte_bar("copying", original.bytes().await.map_err(failed)?)?;
    let copied = {
        let copying = original.copy_to(draft);
        tokio::pin!(copying);
        loop {
            tokio::select! {
                done = &mut copying => break done.map_err(failed),
                () = tokio::time::sleep(TICK) => {
                    bar.set_position(fs::metadata(draft).map_or(0, |file| file.len()));
                    if stop.load(Ordering::Acquire) {
                        break Err(STOPPED.to_owned());
                    }
                }
            }
        }
    };
    bar.finish_and_clear();
    // A copy that was given up is still being written: closing would wait for its end.
    if copied.is_ok() {
        original.close().await;
    }
    copied
}

/// Looks at the copy itself, so that what the manifest says is of what was copied, whatever servers write meanwhile.
async fn describe(draft: &Path, made_at: DateTime<Utc>, stop: &AtomicBool) -> Result<Manifest, String> {
    let contents = look_into(draft).await?;
    let bytes = fs::metadata(draft).map_err(|e| e.to_string())?.len();
    let bar = byte_bar("checking", bytes)?;
    let sha256 = digest(draft, &mut sink(), &bar, stop);
    bar.finish_and_clear();
    Ok(Manifest::of(&contents, made_at, bytes, sha256?))
}

async fn look_into(draft: &Path) -> Result<Contents, String> {
    let failed = |error| format!("the copy cannot be read: {}", sentence(error));
    let copied = Copied::open(draft).await.map_err(failed)?;
    let (fault, contents) = (copied.fault().await, copied.contents().await);
    copied.close().await;
    match fault.map_err(failed)? {
        None => contents.map_err(failed),
        Some(fault) => Err(format!("the database is damaged, and no backup was made of it: {fault}")),
    }
}

fn write(workshop: &Workshop, draft: &Path, file: &Path, manifest: &Manifest, force: bool) -> Result<(), String> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AlreadyExists => taken_already(&path),
            _ => format!("cannot write {}: {e}", path.display()),
        }
    };
    let (place, text) = (Manifest::place(file), workshop.file("manifest")?);
    let written = fs::OpenOptions::new().write(true).open(&text);
    written
        .and_then(|mut file| file.write_all(manifest.text().unwrap_or_default().as_bytes()))
        .map_err(failed(&text))?;
    publish(draft, file, force).map_err(failed(file))?;
    publish(&text, &place, force).map_err(failed(&place))?;
    sync_folder(folder_of(file)).map_err(failed(file))
}

fn told(config: &Config, file: &Path, manifest: &Manifest) -> String {
    let mut text = format!("Wrote {} and its manifest beside it: {}\n", file.display(), amount(manifest));
    let keys: Vec<_> = manifest.keys.iter().map(NeededKey::in_words).collect();
    if !keys.is_empty() {
        let ring = app::keyring_file(config).ok().filter(|ring| ring.exists());
        let ring = ring.map(|ring| format!(" (of {})", ring.display())).unwrap_or_default();
        text.push_str(&format!("To open its secrets it takes what is not in it{ring}: {}\n", keys.join("; ")));
    }
    if let Some(pepper) = &manifest.pepper {
        text.push_str(&format!("To prove its API keys it takes the pepper of fingerprint {pepper}\n"));
    }
    text.push_str("Keep copies of those apart from backups: `patchbay backup --help` says how\n");
    text
}
