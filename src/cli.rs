//! The command line.

mod account;
mod api_keys;
mod audit;
mod backup;
mod bar;
mod catalog;
mod configuration;
mod core_dumps;
mod health;
mod keys;
mod print;
mod signals;
mod welcome;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::app::{self, App};
use crate::config::{self, Config};
use crate::domain::{AccountId, ActorKind, Call};
use crate::error::StartError;
use crate::service::MadeKey;
use crate::{graphql, rest, telemetry};
use account::AccountCommand;
use api_keys::ApiKeysCommand;
use backup::{Backup, Restore};
use catalog::CatalogCommand;
use configuration::{configure, resolve};
use keys::KeysCommand;
use print::{print, print_once};
use signals::{Hangups, Signals};
use welcome::Welcome;

/// Exit code of a refusal that waiting does not end: a wrong flag, setting, key or file.
const PERMANENT: u8 = 2;

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
    core_dumps::prevent();
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            for fault in faults {
                print::complain(&fault);
            }
            ExitCode::from(PERMANENT)
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

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Permanent(sentence) => Self::Configuration(vec![sentence]),
            StartError::Transient(sentence) => Self::Other(sentence),
        }
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

fn block_on<E: Into<Failure>>(work: impl Future<Output = Result<(), E>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(format!("cannot start: {e}")))?;
    let outcome = runtime.block_on(work);
    // What is still running after the drain has had its time.
    runtime.shutdown_background();
    outcome.map_err(Into::into)
}

async fn serve(config: Config) -> Result<(), Failure> {
    telemetry::init(&config.log);
    let hangups = Hangups::listen()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let welcome = Welcome::new(&config);
    let app = App::prepare(config, None).await?;
    let listener = app.listen().await?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    // Before anybody is told that the server is there: a signal that arrives then must drain, not kill.
    let signals = Signals::listen()?;
    if let Err(cause) = print(&welcome.text(address)) {
        tracing::warn!(cause, "the welcome is not shown");
    }
    if let Some(made) = app.first_key().await? {
        show_first_key(&app, &welcome, &made).await?;
    }
    tracing::info!(%address, "ready");
    tokio::spawn(hangups.follow(app.services().keys().clone()));
    app.run(listener, signals.first()).await;
    Ok(())
}

/// Prints the key of a first start; one that cannot be printed is withdrawn, so that the next start makes another.
async fn show_first_key(app: &App, welcome: &Welcome, made: &MadeKey) -> Result<(), String> {
    let Err(cause) = print_once(&welcome.first_key(made)) else { return Ok(()) };
    app.withdraw_first_key(&made.key).await?;
    Err(format!("{cause}: the API key of the first start was not shown, and is withdrawn. Start again"))
}

async fn migrate(config: Config) -> Result<(), StartError> {
    telemetry::init(&config.log);
    app::migrate(&config).await?;
    print("The schema is up to date\n").map_err(StartError::Transient)
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
