//! `patchbay account`: all that is kept of one account, taken elsewhere or destroyed.

mod export;
mod shred;

use clap::Subcommand;

use super::account;
use crate::config::Config;
use crate::domain::AccountId;

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Write what is kept of an account to standard output, as one JSON document
    ///
    /// Installations with their params, names of secrets, and the audit log; never a secret. For requests for data
    /// portability.
    #[command(after_help = export::HELP)]
    Export {
        /// Whose
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountId,
    },
    /// Destroy an account's data keys, and delete its installations and secrets
    ///
    /// Cannot be undone. Servers may run; the account may be used again, with a new data key.
    #[command(after_help = shred::HELP)]
    Shred {
        /// Whose
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountId,
        /// Do not ask for the account's name to be typed
        #[arg(long)]
        yes: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: Config, command: AccountCommand) -> Result<(), String> {
    match command {
        AccountCommand::Export { account } => export::export(&config, account).await,
        AccountCommand::Shred { account, yes, json } => shred::shred(&config, &account, yes, json).await,
    }
}

/// Most likely its name is misspelt.
pub(super) fn unknown(account: &AccountId) -> String {
    format!("no account {account} is known here: it never changed anything")
}
