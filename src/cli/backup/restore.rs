//! Putting a backup where a server will look for its database.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::check::{Checked, check};
use super::files::{create, digest, folder_of, give_to_owner_of, sync_folder};
use super::{amount, embedded_database};
use crate::app;
use crate::cli::bar::byte_bar;
use crate::cli::print::{count, print, print_json, sentence, short, tell};
use crate::cli::signals;
use crate::config::Config;
use crate::store::{self, WholeClaim};

pub(in crate::cli) const HELP: &str = "\
Stop every server of the data directory first; put the key ring and the pepper there that belong to
the backup. Checked before anything is touched: the manifest, the file's SHA-256, SQLite's own
integrity check, that this binary knows the schema, that the keys at hand open it.

With --json:
  dry_run, from, to
  moved_aside    where the database that was there is now, else null
  pending_steps  steps of the schema that the next server will take
  keys_checked   false with --without-keys
  and what the manifest says

Examples:
  patchbay restore --from /backups/patchbay-20261128T030000Z.db --dry-run
  patchbay restore --from /backups/patchbay-20261128T030000Z.db
  patchbay restore --from patchbay.db.backup --data-dir /srv/patchbay --force";

/// What is wanted.
pub(super) struct Wish {
    pub(super) from: PathBuf,
    pub(super) force: bool,
    pub(super) without_keys: bool,
    pub(super) dry_run: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    from: &'a Path,
    to: &'a Path,
    moved_aside: Option<PathBuf>,
    pending_steps: Vec<String>,
    keys_checked: bool,
    #[serde(flatten)]
    says: &'a super::manifest::Manifest,
}

pub(super) async fn restore(config: &Config, wish: &Wish, json: bool) -> Result<(), String> {
    let database = embedded_database(config, "restore")?;
    let stop = signals::stop_flag()?;
    let checked = check(config, &wish.from, !wish.without_keys, &stop).await?;
    refuse_present(database, wish.force)?;
    let moved_aside = match wish.dry_run {
        true => {
            let free = WholeClaim::is_to_be_had(database).map_err(sentence)?;
            if free { None } else { return Err(in_use(database)) }
        }
        false => put_in_place(database, &wish.from, &checked, &stop).await?,
    };
    let report = Report {
        dry_run: wish.dry_run,
        from: &wish.from,
        to: database,
        moved_aside,
        pending_steps: checked.contents.pending_steps(),
        keys_checked: !wish.without_keys,
        says: &checked.manifest,
    };
    match json {
        true => print_json(&report),
        false => print(&report.text()),
    }
}

fn refuse_present(database: &Path, force: bool) -> Result<(), String> {
    let present = files_of(database).into_iter().find(|file| file.symlink_metadata().is_ok());
    match present {
        Some(file) if !force => Err(format!(
            "{} is there already: say --force to move it aside, or name another folder with --data-dir",
            file.display()
        )),
        _ => Ok(()),
    }
}

/// The file and what SQLite may keep beside it. A log of another database would ruin the one that is put there.
fn files_of(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| with_end(database, end))
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn in_use(database: &Path) -> String {
    format!("a server or another command is using {}: stop it first", database.display())
}

/// Where the database that was there is now.
async fn put_in_place(
    database: &Path,
    backup: &Path,
    checked: &Checked,
    stop: &AtomicBool,
) -> Result<Option<PathBuf>, String> {
    app::make_folder_of(database)?;
    // Until the end: a server that starts meanwhile waits.
    let _claim = WholeClaim::take(database).map_err(sentence)?.ok_or_else(|| in_use(database))?;
    let draft = Draft::of(database)?;
    draft.copy(backup, &checked.manifest.sha256, stop)?;
    let aside = with_end(database, &format!(".before-{}", store::now().format("%Y%m%dT%H%M%S%6fZ")));
    let is_moved = set_aside(database, &aside).await?;
    let failed = |e: io::Error| format!("cannot put the backup at {}: {e}", database.display());
    fs::rename(&draft.path, database).and_then(|()| sync_folder(folder_of(database))).map_err(failed)?;
    Ok(is_moved.then_some(aside))
}

/// A copy of the backup in the folder of the database; goes when it does not become the database.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn of(database: &Path) -> Result<Self, String> {
        let path = with_end(database, ".restoring");
        let failed = |e: io::Error| format!("cannot write {}: {e}", path.display());
        // What a killed command left: nobody else is at work here while the whole claim is held.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let file = create(&path).map_err(failed)?;
        give_to_owner_of(folder_of(database), &file).map_err(failed)?;
        Ok(Self { path, file })
    }

    /// Every byte is compared on its way: the backup may have changed since it was checked.
    fn copy(&self, backup: &Path, sha256: &str, stop: &AtomicBool) -> Result<(), String> {
        let bar = byte_bar("copying", fs::metadata(backup).map_or(0, |file| file.len()))?;
        let copied = digest(backup, &mut &self.file, &bar, stop);
        bar.finish_and_clear();
        if copied? != sha256 {
            return Err(format!("{} was changed while it was copied: nothing was changed here", backup.display()));
        }
        self.file.sync_all().map_err(|e| format!("cannot write {}: {e}", self.path.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there any more once it is the database.
        let _ = fs::remove_file(&self.path);
    }
}

/// Moves what is there aside, without a moment in which there is no database: a power cut leaves the old one or the new
/// one. False when there was nothing.
async fn set_aside(database: &Path, aside: &Path) -> Result<bool, String> {
    if database.exists() {
        match store::put_to_rest(database).await {
            Ok(true) => {}
            Ok(false) => return Err(in_use(database)),
            Err(error) => {
                tell(&format!("The database that is there is damaged, and kept as it is: {}", sentence(error)))
            }
        }
    }
    let failed = |file: &Path, e: io::Error| format!("cannot move {} aside: {e}", file.display());
    let mut is_moved = false;
    for end in ["", "-wal", "-shm"] {
        let (file, aside) = (with_end(database, end), with_end(aside, end));
        // The file itself stays under both names until the new one replaces it; where there are no links it moves at once.
        let is_linked = end.is_empty() && fs::hard_link(&file, &aside).is_ok();
        let moved = if is_linked { Ok(()) } else { fs::rename(&file, &aside) };
        match moved {
            Ok(()) => is_moved = true,
            // Never there, or gone since: SQLite may still be closing a damaged database.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(&file, e)),
        }
    }
    sync_folder(folder_of(database)).map_err(|e| failed(database, e))?;
    Ok(is_moved)
}

impl Report<'_> {
    fn text(&self) -> String {
        let Self { says, to, .. } = self;
        let what = format!("the backup of {} ({})", short(says.made_at), amount(says));
        let mut text = match self.dry_run {
            true => format!("{} is whole and can be restored to {}: this was a dry run\n", what, to.display()),
            false => format!("Restored {what} to {}\n", to.display()),
        };
        if let Some(aside) = &self.moved_aside {
            text.push_str(&format!(
                "What was there is now {}: delete it when it is not needed any more\n",
                aside.display()
            ));
        }
        if !self.pending_steps.is_empty() {
            let steps = count(self.pending_steps.len() as u64, "step");
            text.push_str(&format!("Its schema is older: the next start takes {steps}\n"));
        }
        if !self.keys_checked {
            text.push_str("Whether the keys at hand open it was not checked: `patchbay keys verify` tells\n");
        }
        text
    }
}
