//! API keys from the command line: on the database itself, whether a server runs or not.

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::print::{print, print_json, sentence, short, tell};
use super::{account, operator};
use crate::app;
use crate::config::Config;
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
        "\nThe API key of the first start, with every right for all accounts. It is shown this once:\n  {}\n\
         Send it as `Authorization: Bearer KEY`, with the account in X-Account-ID; make others with `patchbay api-keys \
         create`, and then end it with `patchbay api-keys revoke {}`.\n",
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
    let wish = ApiKeyWish { name: wanted.name, scopes: wanted.scopes, accounts, expires_at: wanted.expires };
    let made = keys.create(&operator(), None, wish).await.map_err(sentence)?;
    if wanted.json {
        return print_json(&MadeApiKeyBody::of(&made));
    }
    let MadeKey { key, secret } = &made;
    print(&format!("{}\n", secret.expose()));
    tell(&format!(
        "Made API key {} ({}): {}, for {}, {}.\nIt is shown this once. Send it as `Authorization: Bearer KEY`; end it with \
         `patchbay api-keys revoke {}`.",
        key.public_id,
        key.name,
        scopes_of(key),
        accounts_of(key),
        key.expires_at.map_or("without an end".into(), |at| format!("until {}", short(at))),
        key.public_id,
    ));
    Ok(())
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
        let used = key.last_used_at.map_or("never".into(), short);
        table.push_str(&row(&key.public_id, &state_of(key), &used, &accounts_of(key), &key.name, &scopes_of(key)));
    }
    print(&table);
    Ok(())
}

async fn revoke(keys: &ApiKeys, id: &str) -> Result<(), String> {
    let key = keys.revoke(&operator(), None, id).await.map_err(sentence)?;
    print(&format!("API key {} ({}) is {}\n", key.public_id, key.name, state_of(&key)));
    Ok(())
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
