//! `patchbay backup` and `patchbay restore`: whole copies of the embedded database, and back.

mod check;
mod files;
mod make;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::print::{count, print, print_json, short};
use super::signals;
use crate::config::Config;
use check::{Checked, check};
use manifest::{Manifest, NeededKey};

pub(super) use make::HELP;
pub(super) use restore::HELP as RESTORE_HELP;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Backup {
    #[command(subcommand)]
    command: Option<Verify>,
    /// Where to: a new file, or a folder, in which it is named by the moment
    #[arg(long, value_name = "FILE|DIR", required = true)]
    to: Option<PathBuf>,
    /// Replace a backup of that name
    #[arg(long)]
    force: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Verify {
    /// Check a backup: its manifest, its bytes, and that the keys at hand open it
    ///
    /// Touches nothing. Exits with 1 when it could not be restored.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The backup, with its manifest beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Leave the keys out, as on a machine that has none
        #[arg(long)]
        without_keys: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

const VERIFY_HELP: &str = "\
With --json: file, keys_checked, pending_steps (steps of the schema that a server will take), and
what the manifest says

Examples:
  patchbay backup verify /backups/patchbay-20261128T030000Z.db
  patchbay backup verify --without-keys patchbay.db.backup --json";

#[derive(Args)]
pub(super) struct Restore {
    /// The backup, with its manifest beside it
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Move a database that is there aside; it is never deleted
    #[arg(long)]
    force: bool,
    /// Restore although the keys at hand are not those of the backup: its secrets stay closed until they are
    #[arg(long)]
    without_keys: bool,
    /// Check everything, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verified<'a> {
    file: &'a Path,
    keys_checked: bool,
    pending_steps: Vec<String>,
    #[serde(flatten)]
    says: &'a Manifest,
}

pub(super) async fn backup(config: Config, backup: Backup) -> Result<(), String> {
    match backup {
        Backup { command: Some(Verify::Verify { file, without_keys, json }), .. } => {
            verify(&config, &file, !without_keys, json).await
        }
        Backup { to: Some(to), force, json, .. } => make::make(&config, &to, force, json).await,
        Backup { to: None, .. } => Err("name a file or a folder with --to".to_owned()),
    }
}

pub(super) async fn restore(config: Config, restore: Restore) -> Result<(), String> {
    let Restore { from, force, without_keys, dry_run, json } = restore;
    restore::restore(&config, &restore::Wish { from, force, without_keys, dry_run }, json).await
}

async fn verify(config: &Config, file: &Path, keys: bool, json: bool) -> Result<(), String> {
    let Checked { manifest, contents } = check(config, file, keys, &*signals::stop_flag()?).await?;
    if json {
        let pending_steps = contents.pending_steps();
        return print_json(&Verified { file, keys_checked: keys, pending_steps, says: &manifest });
    }
    let needed = manifest.keys.iter().map(NeededKey::in_words);
    let pepper = manifest.pepper.iter().map(|pepper| format!("pepper, fingerprint {pepper}"));
    let needed: Vec<_> = needed.chain(pepper).collect();
    let keys = match (needed.is_empty(), keys) {
        (true, _) => "It needs no key".to_owned(),
        (false, true) => format!("The keys that it needs are at hand: {}", needed.join("; ")),
        (false, false) => format!("It needs these keys, which were not looked for: {}", needed.join("; ")),
    };
    print(&format!("{} is whole, of {}: {}\n{keys}\n", file.display(), short(manifest.made_at), amount(&manifest)))
}

/// The file in question; or what to use instead.
fn embedded_database<'a>(config: &'a Config, command: &str) -> Result<&'a Path, String> {
    config.embedded_database().map(PathBuf::as_path).ok_or_else(|| {
        format!(
            "`patchbay {command}` is for the embedded database, and database.url names a PostgreSQL server: use pg_dump and \
             pg_restore, or its continuous archiving with point-in-time recovery, and keep the key ring and the pepper apart \
             from what they write"
        )
    })
}

/// How much is in a backup, in words.
fn amount(manifest: &Manifest) -> String {
    let Manifest { accounts, installations, secrets, api_keys, bytes, .. } = manifest;
    format!(
        "{}, {}, {}, {}, {}",
        count(*accounts, "account"),
        count(*installations, "installation"),
        count(*secrets, "secret"),
        count(*api_keys, "API key"),
        count(*bytes, "byte")
    )
}
