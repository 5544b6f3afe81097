//! The command line.

mod account;
mod api_keys;
mod audit;
mod backup;
mod bar;
mod catalog;
mod health;
mod keys;
mod print;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::{self, App};
use crate::config::{self, AuthSection, Config, Resolved, ServerSection, Sources};
use crate::domain::{AccountId, ActorKind, Call};
use crate::service::MadeKey;
use crate::{graphql, rest, telemetry};
use account::AccountCommand;
use api_keys::ApiKeysCommand;
use backup::{Backup, Restore};
use catalog::CatalogCommand;
use keys::KeysCommand;
use print::{print, print_once};
use signals::{Hangups, Signals};

/// The configuration file that is read when it is there.
const DEFAULT_FILE: &str = "patchbay.toml";
const CONFIG_VARIABLE: &str = "PATCHBAY_CONFIG";
/// Exit code for a configuration that cannot be used, as for a wrong flag.
const BAD_CONFIGURATION: u8 = 2;

/// The integrations backend of a multi-tenant platform: one catalog, sealed secrets, GraphQL and REST, one binary.
///
/// Without a command it serves. With nothing configured it keeps everything in an embedded database in
/// ./patchbay-data and listens on 127.0.0.1:8080.
#[derive(Parser)]
#[command(name = "patchbay", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

const AFTER_HELP: &str = "\
Settings are taken from defaults, patchbay.toml, environment variables (server.listen is
PATCHBAY_SERVER__LISTEN) and flags; the last one wins. `patchbay config show` prints each with
its source.

Examples:
  patchbay                                        serve, with the embedded database
  patchbay --listen 127.0.0.1:9000                on another port
  patchbay --database-url postgres://localhost/p  on PostgreSQL
  patchbay config default > patchbay.toml         a commented file to start from
  curl -s -H 'X-Account-ID: acme' http://127.0.0.1:8080/api/v1/integrations";

#[derive(Args)]
struct Settings {
    /// Configuration file [default: patchbay.toml when it is there; environment: PATCHBAY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Folder of the embedded database and its key ring [default: ./patchbay-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// postgres://… or sqlite:PATH, instead of the embedded database. Prefer PATCHBAY_DATABASE_URL for one with a password
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Listen beyond loopback although nobody is authenticated: only behind a gateway that sets X-Account-ID
    #[arg(long, global = true)]
    insecure_trust_account_header: bool,
    /// Any other setting, such as log.level=debug; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve both APIs (what happens without a command)
    Serve,
    /// Bring the database schema up to date, and end
    Migrate,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI document
    Openapi,
    /// Encryption keys: what there is, rotation, and the key ring
    #[command(subcommand, after_help = keys::HELP)]
    Keys(KeysCommand),
    /// All that is kept of one account
    #[command(subcommand)]
    Account(AccountCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(Audit),
    /// API keys: what programs prove themselves with
    #[command(subcommand)]
    ApiKeys(ApiKeysCommand),
    /// The catalog: files of entries, and the shared catalog made of them
    #[command(subcommand, after_help = catalog::HELP)]
    Catalog(CatalogCommand),
    /// Write a whole copy of the embedded database to a new file
    ///
    /// Consistent, while servers run and write. Beside it a manifest says what it is and which keys it needs; the keys
    /// themselves are in neither.
    #[command(after_help = backup::HELP)]
    Backup(Backup),
    /// Put a backup in the place of the embedded database
    ///
    /// As a whole or not at all; refused while a server runs.
    #[command(after_help = backup::RESTORE_HELP)]
    Restore(Restore),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running server whether it is ready; exits with 0 when it is
    Healthcheck,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

const EXPORT_HELP: &str = "\
Examples:
  patchbay audit export > events.jsonl
  patchbay audit export --account acme --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z";

#[derive(Subcommand)]
enum Audit {
    /// Write the events to standard output, one JSON object a line
    ///
    /// Account by account, and of each the oldest first. Reads the database itself: the server may run or not.
    #[command(after_help = EXPORT_HELP)]
    Export(audit::Export),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print every setting with its value and source; secrets as <set>
    Show,
    /// Print a commented configuration file with every setting at its default
    Default,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            for fault in faults {
                print::complain(&fault);
            }
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(Failure::Other(sentence)) => {
            print::complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Configuration(Vec<String>),
    Other(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Other(sentence)
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => block_on(serve(configure(&cli.settings)?))?,
        Command::Migrate => block_on(migrate(configure(&cli.settings)?))?,
        Command::Schema => print(&graphql::sdl())?,
        Command::Openapi => print(&openapi()?)?,
        Command::Keys(KeysCommand::Generate { out }) => keys::generate(out)?,
        Command::Keys(command) => {
            let config = configure(&cli.settings)?;
            telemetry::init(&config.log);
            block_on(keys::run(config, command))?;
        }
        Command::Account(command) => {
            let config = configure(&cli.settings)?;
            telemetry::init(&config.log);
            block_on(account::run(config, command))?;
        }
        Command::Audit(Audit::Export(export)) => block_on(audit::export(configure(&cli.settings)?, export))?,
        Command::ApiKeys(command) => {
            let config = configure(&cli.settings)?;
            telemetry::init(&config.log);
            block_on(api_keys::run(config, command))?;
        }
        Command::Backup(command) => {
            let config = configure(&cli.settings)?;
            telemetry::init(&config.log);
            block_on(backup::backup(config, command))?;
        }
        Command::Restore(command) => {
            let config = configure(&cli.settings)?;
            telemetry::init(&config.log);
            block_on(backup::restore(config, command))?;
        }
        Command::Catalog(command) => catalog::run(command, || configure(&cli.settings))?,
        Command::Config(ConfigCommand::Show) => print(&resolve(&cli.settings)?.show())?,
        Command::Config(ConfigCommand::Default) => print(&config::default_file())?,
        Command::Healthcheck => block_on(health::check(configure(&cli.settings)?.server.listen))?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "patchbay", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(())
}

fn block_on(work: impl Future<Output = Result<(), String>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start: {e}"))?;
    let outcome = runtime.block_on(work);
    // What is still running after the drain has had its time.
    runtime.shutdown_background();
    Ok(outcome?)
}

async fn serve(config: Config) -> Result<(), String> {
    telemetry::init(&config.log);
    let hangups = Hangups::listen()?;
    let (pages, auth) = (pages(&config.server), config.auth.clone());
    let app = App::prepare(config, None).await?;
    let listener = app.listen().await?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    // Before anybody is told that the server is there: a signal that arrives then must drain, not kill.
    let signals = Signals::listen()?;
    if let Err(cause) = print(&welcome(&format!("http://{address}"), &pages, &auth)) {
        tracing::warn!(cause, "the welcome is not shown");
    }
    if let Some(made) = app.first_key().await? {
        show_first_key(&app, &made).await?;
    }
    tracing::info!(%address, "ready");
    tokio::spawn(hangups.follow(app.services().keys().clone()));
    app.run(listener, signals.first()).await;
    Ok(())
}

/// Prints the key of a first start; one that cannot be printed is withdrawn, so that the next start makes another.
async fn show_first_key(app: &App, made: &MadeKey) -> Result<(), String> {
    let Err(cause) = print_once(&api_keys::first(made)) else { return Ok(()) };
    app.withdraw_first_key(&made.key).await?;
    Err(format!("{cause}: the API key of the first start was not shown, and is withdrawn. Start again"))
}

/// The pages that are served, name and path.
fn pages(settings: &ServerSection) -> Vec<(&'static str, &'static str)> {
    let gallery = settings.gallery.then_some(("Gallery", "/ui"));
    let graphiql = settings.graphiql.then_some(("GraphiQL", "/graphiql"));
    let docs = settings.docs.then_some(("API reference", "/docs"));
    gallery.into_iter().chain(graphiql).chain(docs).collect()
}

fn welcome(url: &str, pages: &[(&str, &str)], auth: &AuthSection) -> String {
    let pages: String = pages.iter().map(|(name, path)| format!("\n  {name:<14} {url}{path}")).collect();
    format!(
        "Patchbay {} is ready{pages}\n  GraphQL        {url}/graphql\n  REST           {url}/api/v1\n\nTry it:\n  \
         curl -s {} {url}/api/v1/integrations/stripe\n",
        env!("CARGO_PKG_VERSION"),
        try_it(auth)
    )
}

/// Headers that open the door, in the words of a shell.
fn try_it(auth: &AuthSection) -> &'static str {
    match auth {
        AuthSection { open: true, .. } => "-H 'X-Account-ID: acme'",
        AuthSection { api_key: true, .. } => "-H 'X-Account-ID: acme' -H \"Authorization: Bearer $KEY\"",
        AuthSection { jwt: true, .. } => "-H 'X-Account-ID: acme' -H \"Authorization: Bearer $TOKEN\"",
        _ => "-H 'X-Account-ID: acme' -H \"X-Gateway-Token: $PATCHBAY_GATEWAY_TOKEN\"",
    }
}

async fn migrate(config: Config) -> Result<(), String> {
    telemetry::init(&config.log);
    app::migrate(&config).await?;
    print("The schema is up to date\n")
}

fn openapi() -> Result<String, String> {
    serde_json::to_string_pretty(&rest::document()).map(|json| json + "\n").map_err(|e| e.to_string())
}

/// On behalf of whoever sits at the command line.
fn operator() -> Call {
    Call::trusted(ActorKind::Operator, "")
}

/// An account as it is named in an argument.
fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).ok_or_else(|| "not an account id: a-z, 0-9, _ and -, at most 63".into())
}

fn configure(settings: &Settings) -> Result<Config, Failure> {
    Ok(Config::from(&resolve(settings)?))
}

fn resolve(settings: &Settings) -> Result<Resolved, Failure> {
    let sources = Sources {
        file: read_file(settings)?,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect(),
        flags: flags(settings)?,
    };
    Resolved::read(&sources).map_err(Failure::Configuration)
}

fn read_file(settings: &Settings) -> Result<Option<(String, String)>, Failure> {
    let named = settings.config.clone().or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from));
    let is_optional = named.is_none();
    let path = named.unwrap_or_else(|| DEFAULT_FILE.into());
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(e) if is_optional && e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::Configuration(vec![format!("cannot read {}: {e}", path.display())])),
    }
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
    Ok(flags)
}
