//! API keys from the command line: on the database itself, whether a server runs or not.

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::print::{json, print, print_json, print_once, sentence, short, tell};
use super::{account, operator};
use crate::app;
use crate::config::Config;
use crate::domain::new_api_key::MAX_RATE;
use crate::domain::text::printable;
use crate::domain::{AccountId, Accounts, ApiKey, ApiKeyWish, Scope, WishedAccounts};
use crate::rest::{ApiKeyBody, MadeApiKeyBody};
use crate::service::{ApiKeys, MadeKey};

#[derive(Subcommand)]
pub(super) enum ApiKeysCommand {
    /// Make a key, and print it this once
    ///
    /// The key alone goes to standard output, what else is to be said to standard error.
    #[command(after_help = "\
Examples:
  patchbay api-keys create --name worker --scope installations:read --account acme
  patchbay api-keys create --name ops --scope admin --all-accounts --expires 90d
  patchbay api-keys create --name backend --scope installations:read --all-accounts --rate 6000
  KEY=$(patchbay api-keys create --name ci --scope catalog:read --account acme --expires 2027-01-31T00:00:00Z)")]
    Create(Create),
    /// List the keys, newest first; never what proves them
    List {
        /// Only those that are good for this account
        #[arg(long, value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountId>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key; every replica refuses it within a second
    #[command(after_help = "\
Examples:
  patchbay api-keys revoke 8Fq2LmZx
  patchbay api-keys revoke 0193a5c0-7b1e-7c3a-9d52-0d6f6f0e7a11")]
    Revoke {
        /// Either id of it, as `patchbay api-keys list` shows them; the short one is also in the key: pb_live_ID_…
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// What people will call it
    #[arg(long)]
    name: String,
    /// What it may do; may be repeated
    #[arg(long = "scope", required = true, value_name = "SCOPE", value_parser = scopes())]
    scopes: Vec<String>,
    /// An account that it is good for; may be repeated
    #[arg(long = "account", value_name = "ACCOUNT", required_unless_present = "all_accounts")]
    accounts: Vec<String>,
    /// It is good for all accounts there are and will be
    #[arg(long, conflicts_with = "accounts")]
    all_accounts: bool,
    /// When it is to end by itself: in so many days (90d) or hours (12h), or a moment (2027-01-31T00:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    expires: Option<DateTime<Utc>>,
    /// Requests a minute that it may make, instead of the limits of the configuration
    #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RATE)))]
    rate: Option<u32>,
    /// Print key and description as one JSON object
    #[arg(long)]
    json: bool,
}

fn scopes() -> PossibleValuesParser {
    PossibleValuesParser::new(Scope::ALL.iter().map(|scope| scope.as_str()))
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let unit =
        |word, hours: i64| text.strip_suffix(word).and_then(|n| n.parse::<u32>().ok()).map(|n| hours * i64::from(n));
    let moment = match unit('d', 24).or_else(|| unit('h', 1)) {
        Some(hours) => TimeDelta::try_hours(hours).and_then(|span| Utc::now().checked_add_signed(span)),
        None => text.parse().ok(),
    };
    moment.ok_or_else(|| "neither a span such as 90d or 12h nor a moment such as 2027-01-31T00:00:00Z".into())
}

/// What a first start says of the key that it made.
pub(super) fn first(made: &MadeKey) -> String {
    format!(
        "\nThe API key of the first start, with every right for all accounts. It is shown this once, and valid for 24 \
         hours:\n  {}\nSend it as `Authorization: Bearer KEY`, with the account in X-Account-ID. A lasting one: `patchbay \
         api-keys create --name operator --scope admin --all-accounts`; then end this one with `patchbay api-keys revoke \
         {}`.\n",
        made.secret.expose(),
        made.key.public_id
    )
}

pub(super) async fn run(config: Config, command: ApiKeysCommand) -> Result<(), String> {
    let (store, keys) = app::open_api_keys(&config, matches!(command, ApiKeysCommand::Create(_))).await?;
    let done = match command {
        ApiKeysCommand::Create(wanted) => create(&keys, wanted).await,
        ApiKeysCommand::List { account, json } => list(&keys, account.as_ref(), json).await,
        ApiKeysCommand::Revoke { id } => revoke(&keys, &id).await,
    };
    store.close().await;
    done
}

async fn create(keys: &ApiKeys, wanted: Create) -> Result<(), String> {
    let accounts = if wanted.all_accounts { WishedAccounts::All } else { WishedAccounts::Only(wanted.accounts) };
    let wish = ApiKeyWish {
        name: wanted.name,
        scopes: wanted.scopes,
        accounts,
        expires_at: wanted.expires,
        rate: wanted.rate,
    };
    let made = keys.create(&operator(), None, wish).await.map_err(sentence)?;
    let shown = if wanted.json { json(&MadeApiKeyBody::of(&made))? } else { format!("{}\n", made.secret.expose()) };
    if let Err(cause) = print_once(&shown) {
        keys.withdraw(&operator(), &made.key, false).await.map_err(sentence)?;
        return Err(format!("{cause}: API key {} was not shown, and is revoked", made.key.public_id));
    }
    if !wanted.json {
        tell(&description(&made.key));
    }
    if made.key.accounts == Accounts::All && made.key.rate.is_none() {
        tell(SHARED_LIMIT);
    }
    Ok(())
}

/// Printed after a key for all accounts was made without a rate.
const SHARED_LIMIT: &str = "Note: the key has no rate of its own: the limits of each account that it acts for apply. \
    --rate bounds what the key may request in all.";

fn description(key: &ApiKey) -> String {
    format!(
        "Made API key {id} ({}): {}, for {}, {}{}.\nIt is shown this once. Send it as `Authorization: Bearer KEY`; end it \
         with `patchbay api-keys revoke {id}`.",
        printable(&key.name),
        scopes_of(key),
        accounts_of(key),
        key.expires_at.map_or("without an end".into(), |at| format!("until {}", short(at))),
        key.rate.map_or_else(String::new, |rate| format!(", at most {rate} requests a minute")),
        id = key.public_id,
    )
}

async fn list(keys: &ApiKeys, account: Option<&AccountId>, json: bool) -> Result<(), String> {
    let keys = keys.all(account).await.map_err(sentence)?;
    if json {
        return print_json(&keys.iter().map(ApiKeyBody::of).collect::<Vec<_>>());
    }
    let row = |id: &str, state: &str, used: &str, accounts: &str, name: &str, scopes: &str| {
        format!("{id:<10} {state:<30} {used:<20} {accounts:<20} {name:<24} {scopes}\n")
    };
    let mut table = row("ID", "STATE", "LAST USED", "ACCOUNTS", "NAME", "SCOPES");
    for key in &keys {
        let name = printable(&key.name);
        let used = key.last_used_at.map_or("never".into(), short);
        table.push_str(&row(&key.public_id, &state_of(key), &used, &accounts_of(key), &name, &scopes_of(key)));
    }
    print(&table)
}

async fn revoke(keys: &ApiKeys, id: &str) -> Result<(), String> {
    let key = keys.revoke(&operator(), None, id).await.map_err(sentence)?;
    print(&format!("API key {} ({}) is {}\n", key.public_id, printable(&key.name), state_of(&key)))
}

fn state_of(key: &ApiKey) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", short(at)),
        (None, Some(at)) if at <= Utc::now() => format!("expired {}", short(at)),
        (None, Some(at)) => format!("until {}", short(at)),
        (None, None) => "in force".into(),
    }
}

fn accounts_of(key: &ApiKey) -> String {
    match &key.accounts {
        Accounts::All => "all accounts".into(),
        Accounts::Only(accounts) => accounts.iter().map(AccountId::as_str).collect::<Vec<_>>().join(","),
    }
}

fn scopes_of(key: &ApiKey) -> String {
    key.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}
