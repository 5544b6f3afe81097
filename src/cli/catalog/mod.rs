//! `patchbay catalog`: catalog files, and the shared catalog that operators make of them.

mod defaults;
mod delete;
mod diff;
mod difference;
mod export;
mod files;
mod import;
mod installed;
mod list;
mod plan;
mod upkeep;
mod validate;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::print::{print, sentence};
use super::{Failure, block_on};
use crate::catalog::{ENTRY_SCHEMA, Syntax};
use crate::config::Config;
use crate::store::{CatalogRow, Store};
use crate::{app, telemetry};

pub(super) const HELP: &str = "\
Entries that come with the binary are built in; operators edit them, and add entries of their own,
with files in the same vocabulary. Servers see a change within two seconds.

  patchbay catalog export stripe --format yaml > stripe.yaml
                                       edit it
  patchbay catalog validate stripe.yaml
  patchbay catalog import --dry-run stripe.yaml
  patchbay catalog import stripe.yaml
  patchbay catalog diff                what differs from what is built in
  patchbay catalog reset stripe        back to what is built in";

#[derive(Subcommand)]
pub(super) enum CatalogCommand {
    /// List the integrations of the shared catalog
    ///
    /// Before there is a database, those that are built in.
    List {
        /// Those that came with this binary, whatever the database has
        #[arg(long)]
        builtin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema of catalog files, for editors
    #[command(after_help = "\
Examples:
  patchbay catalog schema > entry.schema.json
and in a file: {\"$schema\": \"./entry.schema.json\", …}
or, in YAML:   # yaml-language-server: $schema=./entry.schema.json")]
    Schema,
    /// Look for every mistake in catalog files
    ///
    /// One line per mistake, with file, line, rule and cure; exits with 1 when there is any. Warnings do not fail.
    #[command(after_help = validate::HELP)]
    Validate {
        /// Files, or folders of them: .json, .yaml, .yml [default: those that are built in]
        #[arg(value_name = "FILE|DIR")]
        paths: Vec<PathBuf>,
        /// With the rules for entries that are built in: each fact has its source
        #[arg(long)]
        builtin: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Add entries to the shared catalog, or change them, by name
    ///
    /// All or nothing: with any mistake in any file, nothing is imported. Run again, it changes nothing.
    #[command(after_help = import::HELP)]
    Import {
        /// Files, or folders of them: .json, .yaml, .yml
        #[arg(value_name = "FILE|DIR", required = true)]
        paths: Vec<PathBuf>,
        /// Tell what would change, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Remove the operator's own entries that are not in the files, except those that an account has installed
        #[arg(long)]
        prune: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Write entries as files that can be imported
    #[command(after_help = export::HELP)]
    Export {
        /// Which [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Only those that are edited or the operator's own
        #[arg(long)]
        changed: bool,
        /// How they are written
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// Into this folder, a file for each, instead of to standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Tell what differs from what is built in
    #[command(after_help = diff::HELP)]
    Diff {
        /// Which [default: all]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Make edited entries what is built in again
    Reset {
        /// Which
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Mark entries as not to be installed anew; what is installed goes on
    Deprecate {
        /// Which
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Offer them again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Delete one of the operator's own entries
    ///
    /// Refused while any account has an installation of it: deprecate it, or say --force.
    #[command(after_help = delete::HELP)]
    Delete {
        /// Which
        #[arg(value_name = "NAME")]
        name: String,
        /// First delete what accounts keep of it: params and secrets, for good
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
pub(super) struct Output {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Json,
    Yaml,
}

impl Format {
    fn syntax(self) -> Syntax {
        match self {
            Self::Json => Syntax::Json,
            Self::Yaml => Syntax::Yaml,
        }
    }
}

/// `configure` is asked by those commands alone that use the database.
pub(super) fn run(command: CatalogCommand, configure: impl FnOnce() -> Result<Config, Failure>) -> Result<(), Failure> {
    match command {
        CatalogCommand::Schema => print(ENTRY_SCHEMA)?,
        CatalogCommand::Validate { paths, builtin, output } => validate::validate(&paths, builtin, output.json)?,
        CatalogCommand::List { builtin: true, output } => list::builtin(output.json)?,
        CatalogCommand::List { output, .. } => {
            let config = configure()?;
            if config.embedded_database().is_some_and(|path| !path.exists()) {
                return Ok(list::builtin(output.json)?);
            }
            on_database(config, async |store| list::list(store, output.json).await)?;
        }
        CatalogCommand::Import { paths, dry_run, prune, output } => {
            let wish = import::Wish { dry_run, prune };
            on_database(configure()?, async |store| import::import(store, &paths, wish, output.json).await)?;
        }
        CatalogCommand::Export { names, changed, format, out } => {
            let wish = export::Wish { names, changed, syntax: format.syntax() };
            on_database(configure()?, async |store| export::export(store, &wish, out.as_deref()).await)?;
        }
        CatalogCommand::Diff { names, output } => {
            on_database(configure()?, async |store| diff::diff(store, &names, output.json).await)?;
        }
        CatalogCommand::Reset { names, output } => {
            on_database(configure()?, async |store| upkeep::reset(store, names, output.json).await)?;
        }
        CatalogCommand::Deprecate { names, undo, output } => {
            on_database(configure()?, async |store| upkeep::deprecate(store, names, undo, output.json).await)?;
        }
        CatalogCommand::Delete { name, force, output } => {
            on_database(configure()?, async |store| delete::delete(store, &name, force, output.json).await)?;
        }
    }
    Ok(())
}

fn on_database(config: Config, work: impl AsyncFnOnce(&Store) -> Result<(), String>) -> Result<(), Failure> {
    telemetry::init(&config.log);
    block_on(async {
        let store = app::open_existing(&config).await?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}

/// The rows of the shared catalog, by name.
async fn rows(store: &Store) -> Result<Vec<CatalogRow>, String> {
    let (_, mut rows) = store.system().catalog().await.map_err(sentence)?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// Refuses names that no row has.
fn refuse_unknown(rows: &[CatalogRow], names: &[String]) -> Result<(), String> {
    let unknown: Vec<_> = names.iter().filter(|name| rows.iter().all(|row| row.name != **name)).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => {
            let names = unknown.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            Err(format!("the catalog has no entry of this name: {names}. `patchbay catalog list` shows those it has"))
        }
    }
}
