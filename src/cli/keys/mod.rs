//! `patchbay keys`: on the database itself, whether servers run or not.

mod progress;
mod ring;
mod runs;
mod servers;
mod status;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::account::unknown;
use super::print::{print, print_json, sentence};
use super::{account, operator};
use crate::app;
use crate::config::Config;
use crate::domain::AccountId;
use crate::service::KeyKeeper;

pub(super) use ring::generate;

pub(super) const HELP: &str = "\
Each account has data keys, generation by generation, which seal its secrets; a provider key wraps
the data keys. Everything stays readable at every moment, and servers go on serving.

A new generation of data keys, and every secret sealed anew:
  patchbay keys rotate

Another provider key of the local key ring, without downtime:
  patchbay keys add           a fresh key that only unwraps joins the key ring file
                              copy the file to every server, and send each SIGHUP
  patchbay keys promote 2     from now on it wraps
                              copy the file to every server, and send each SIGHUP
  patchbay keys rewrap        every data key is wrapped with it
  patchbay keys retire local:1
  patchbay keys remove 1      the old key leaves the key ring file
                              copy the file to every server; keep the old key as long as backups
                              that were made before are to be readable

Servers announce the provider keys that they know. A step that would cut one of them off is refused.";

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key ring with one fresh key
    ///
    /// Point PATCHBAY_KEYRING_FILE at it. Keep a copy in a safe place: secrets cannot be read without it.
    Generate {
        /// Write to this new file, readable by its owner alone, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Tell which keys there are, how old they are, and what is still to be done
    ///
    /// Changes nothing. Works also when the keys at hand are the wrong ones or the key service is away, and says so.
    #[command(after_help = status::HELP)]
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Give accounts a new data key, and seal everything anew
    ///
    /// May be stopped or killed at any moment: run again, it goes on with what is left. Safe beside running servers, and
    /// beside itself.
    #[command(after_help = runs::ROTATE_HELP)]
    Rotate {
        /// Only this account; may be repeated
        #[arg(long = "account", value_name = "ACCOUNT", value_parser = account)]
        accounts: Vec<AccountId>,
        /// Begin a new rotation of all accounts also when an earlier one has not ended
        #[arg(long, conflicts_with = "accounts")]
        anew: bool,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        output: Output,
    },
    /// Wrap all data keys with the current provider key
    ///
    /// One row per data key is written; secrets stay as they are. Refused while a running server does not know the current
    /// key. May be stopped or killed at any moment and run again.
    #[command(after_help = runs::REWRAP_HELP)]
    Rewrap {
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        output: Output,
    },
    /// Bind every secret to a counter, so that an older value does not open in its place
    ///
    /// Run it once after an upgrade, when every server runs this release: earlier ones cannot open secrets that are bound. A
    /// database that this release created needs it never. May be stopped or killed at any moment and run again.
    #[command(after_help = runs::BIND_HELP)]
    Bind {
        #[command(flatten)]
        output: Output,
    },
    /// Open every secret, and tell how many do not open
    ///
    /// Prints counts and names, never a value. Exits with 1 when any secret does not open.
    #[command(after_help = verify::HELP)]
    Verify {
        /// Only this account
        #[arg(long, value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountId>,
        #[command(flatten)]
        output: Output,
    },
    /// Forget a provider key that wraps no data key any more
    ///
    /// From then on servers start without it. Refused while a data key is wrapped with it, while a running server still wraps
    /// with it, and for the current one.
    #[command(after_help = "\
With --json: {\"retired\": \"local:1\"}

Examples:
  patchbay keys retire local:1
  patchbay keys retire transit:transit/patchbay:v1")]
    Retire {
        /// As `patchbay keys status` shows it, such as local:1
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        output: Output,
    },
    /// Add a fresh key to the key ring file, and print its id
    ///
    /// It only unwraps until it is promoted. The file is replaced as a whole, and stays its owner's alone.
    Add {
        #[command(flatten)]
        ring: RingFile,
    },
    /// Make a key of the key ring file the primary one, which wraps
    ///
    /// Refused while a running server does not know the key.
    Promote {
        /// Its id
        id: u32,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        ring: RingFile,
    },
    /// Take a key out of the key ring file
    ///
    /// Refused for the primary key, and for one that the database still knows: retire it first.
    Remove {
        /// Its id
        id: u32,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        ring: RingFile,
    },
}

#[derive(Args)]
pub(super) struct Output {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Force {
    /// Do it although running servers would be cut off
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(super) struct RingFile {
    /// This file instead of the key ring in force
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(config: Config, command: KeysCommand) -> Result<(), String> {
    match command {
        KeysCommand::Generate { out } => generate(out),
        KeysCommand::Add { ring } => ring::add(&config, ring),
        KeysCommand::Promote { id, force, ring } => ring::promote(&config, id, &force, ring).await,
        KeysCommand::Remove { id, force, ring } => {
            on_database(&config, async |keys| ring::remove(&config, keys, id, &force, ring).await).await
        }
        KeysCommand::Status { output } => {
            on_database(&config, async |keys| status::show(keys, output.json).await).await
        }
        KeysCommand::Rotate { accounts, anew, force, output } => {
            let rotate = async |keys: &KeyKeeper| {
                servers::require_current_known(keys, &force).await?;
                runs::rotate(keys, accounts, anew, output.json).await
            };
            on_database(&config, rotate).await
        }
        KeysCommand::Rewrap { force, output } => {
            let rewrap = async |keys: &KeyKeeper| {
                servers::require_current_known(keys, &force).await?;
                runs::rewrap(keys, output.json).await
            };
            on_database(&config, rewrap).await
        }
        KeysCommand::Bind { output } => on_database(&config, async |keys| runs::bind(keys, output.json).await).await,
        KeysCommand::Verify { account, output } => {
            on_database(&config, async |keys| verify::run(keys, account, output.json).await).await
        }
        KeysCommand::Retire { key, force, output } => {
            on_database(&config, async |keys| retire(keys, &key, &force, output.json).await).await
        }
    }
}

async fn on_database(config: &Config, work: impl AsyncFnOnce(&KeyKeeper) -> Result<(), String>) -> Result<(), String> {
    let (store, keys) = app::open_keys(config).await?;
    let done = work(&keys).await;
    store.close().await;
    done
}

async fn retire(keys: &KeyKeeper, key: &str, force: &Force, json: bool) -> Result<(), String> {
    servers::require_unused(keys, key, force).await?;
    keys.retire(key, &operator()).await?;
    match json {
        true => print_json(&serde_json::json!({ "retired": key })),
        false => print(&format!("{key} is forgotten: servers start without it\n")),
    }
}

async fn refuse_unknown(keys: &KeyKeeper, account: &AccountId) -> Result<(), String> {
    match keys.knows(account).await.map_err(sentence)? {
        true => Ok(()),
        false => Err(unknown(account)),
    }
}
