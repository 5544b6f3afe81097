//! Where a world keeps its rows: a file, or a schema or a whole database of the server of `TEST_DATABASE_URL`.
//!
//! With `TEST_ROW_LEVEL_SECURITY=1` too, Patchbay acts there as a plain role that owns its tables, behind their policies;
//! who looks and meddles behind its back stays superuser. With `TEST_BEHIND_POOLER=1` Patchbay goes by way of the
//! PgBouncer of `TEST_POOLER_URL`, each time with a whole database, because a pooler takes no search path.

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// The plain role. Roles belong to a whole server, so it is made once.
const ROLE: &str = "patchbay_app";

#[derive(Clone)]
pub enum TestDatabase {
    Sqlite(String),
    Postgres(Server),
}

/// A part of a server that nobody else uses.
#[derive(Clone)]
pub struct Server {
    url: String,
    /// Where `url` leads to a pooler: straight, as who Patchbay is.
    direct_url: Option<String>,
    admin_url: String,
    is_walled: bool,
}

impl TestDatabase {
    /// An empty database, in this folder or as a schema of its own.
    pub async fn create(folder: &TempDir) -> Self {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => match pooler_of_the_suite() {
                Some(pooler) => Self::whole(&server, has_row_level_security()).await.behind(&pooler),
                None => Self::schema(&server, has_row_level_security()).await,
            },
            Err(_) => Self::Sqlite(format!("sqlite://{}", folder.path().join("test.db").display())),
        }
    }

    /// A schema of its own, for the plain role or for whom the URL names.
    pub async fn schema(server: &str, is_walled: bool) -> Self {
        let schema = format!("t_{}", uuid::Uuid::new_v4().simple());
        let owner = if is_walled { format!("AUTHORIZATION {ROLE}") } else { String::new() };
        make(server, &[&format!("CREATE SCHEMA {schema} {owner}")]).await;
        let separator = if server.contains('?') { '&' } else { '?' };
        let admin_url = format!("{server}{separator}options=-csearch_path%3D{schema}");
        let url = if is_walled { format!("{admin_url}%20-crole%3D{ROLE}") } else { admin_url.clone() };
        Self::Postgres(Server { url, direct_url: None, admin_url, is_walled })
    }

    /// A whole database; for tests that look at the server's own tables, and behind a pooler, which takes no search path.
    pub async fn whole(server: &str, is_walled: bool) -> Self {
        let name = format!("d_{}", uuid::Uuid::new_v4().simple());
        make(server, &[&format!("CREATE DATABASE {name}")]).await;
        let url = on_database(server, &name);
        if !is_walled {
            return Self::Postgres(Server { admin_url: url.clone(), url, direct_url: None, is_walled });
        }
        // Every connection gets the plain role, also one that a pooler makes.
        let owned = format!("ALTER DATABASE {name} OWNER TO {ROLE}");
        make(server, &[&owned, &format!("ALTER DATABASE {name} SET role = {ROLE}")]).await;
        let admin_url = format!("{url}?options=-crole%3Dnone");
        Self::Postgres(Server { url, direct_url: None, admin_url, is_walled })
    }

    /// The same, a whole one, by way of a pooler.
    pub fn behind(self, pooler: &str) -> Self {
        let url = self.by_way_of(pooler);
        let Self::Postgres(server) = self else { panic!("no pooler leads to a file") };
        Self::Postgres(Server { url, direct_url: Some(server.url), ..server })
    }

    /// What Patchbay has to be told to use it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings =
            vec![("database.url", self.url()), ("database.row_level_security", self.is_walled().to_string())];
        if let Self::Postgres(Server { direct_url: Some(direct), .. }) = self {
            settings.push(("database.migration_url", direct.clone()));
            settings.push(("database.transaction_pooler", "true".to_owned()));
        }
        settings
    }

    /// For Patchbay.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(url) | Self::Postgres(Server { url, .. }) => url.clone(),
        }
    }

    /// For who may do anything.
    pub fn admin_url(&self) -> String {
        match self {
            Self::Sqlite(url) | Self::Postgres(Server { admin_url: url, .. }) => url.clone(),
        }
    }

    /// The same database by way of another address.
    pub fn by_way_of(&self, server: &str) -> String {
        let url = self.url();
        let (_, name) = url.rsplit_once('/').expect("a URL that ends in a database name");
        on_database(server, name)
    }

    /// Statements end after so long also behind a pooler, which takes no such start-up parameter from Patchbay: there an
    /// operator sets it on the role or the database.
    pub async fn limit_statements(&self, milliseconds: &str) {
        if let Self::Postgres(Server { direct_url: Some(url), admin_url, .. }) = self {
            let (_, name) = url.rsplit_once('/').expect("a URL that ends in a database name");
            make(admin_url, &[&format!("ALTER DATABASE {name} SET statement_timeout = {milliseconds}")]).await;
        }
    }

    /// As Patchbay, and never by way of a pooler.
    pub fn direct_url(&self) -> String {
        match self {
            Self::Postgres(Server { direct_url: Some(url), .. }) => url.clone(),
            _ => self.url(),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether Patchbay is to wall its tables.
    pub fn is_walled(&self) -> bool {
        matches!(self, Self::Postgres(Server { is_walled: true, .. }))
    }
}

/// Whether the suite runs on a database server; says so where a test needs one and there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
pub fn has_server() -> bool {
    let has = std::env::var_os("TEST_DATABASE_URL").is_some();
    if !has {
        eprintln!("skipped: TEST_DATABASE_URL is not set");
    }
    has
}

/// Whether the whole suite runs behind row-level security.
pub fn has_row_level_security() -> bool {
    std::env::var_os("TEST_ROW_LEVEL_SECURITY").is_some() && std::env::var_os("TEST_DATABASE_URL").is_some()
}

/// The pooler that the whole suite runs behind.
pub fn pooler_of_the_suite() -> Option<String> {
    std::env::var_os("TEST_BEHIND_POOLER")?;
    Some(std::env::var("TEST_POOLER_URL").expect("TEST_POOLER_URL, which TEST_BEHIND_POOLER needs"))
}

/// What a command has to be told in its environment to use the database that one of its arguments names.
pub fn environment_for(arguments: &[&str]) -> Vec<(&'static str, String)> {
    let Some(url) = arguments.iter().find(|argument| argument.starts_with("postgres")) else { return Vec::new() };
    let mut told = Vec::new();
    if has_row_level_security() {
        told.push(("PATCHBAY_DATABASE__ROW_LEVEL_SECURITY", "true".to_owned()));
    }
    let is_there = |pooler: &String| url.starts_with(pooler.rsplit_once('/').expect("a database name").0);
    if pooler_of_the_suite().as_ref().is_some_and(is_there) {
        let server = std::env::var("TEST_DATABASE_URL").expect("the server behind the pooler");
        let (_, name) = url.rsplit_once('/').expect("a URL that ends in a database name");
        told.push(("PATCHBAY_DATABASE__MIGRATION_URL", on_database(&server, name)));
        told.push(("PATCHBAY_DATABASE__TRANSACTION_POOLER", "true".to_owned()));
    }
    told
}

async fn make(server: &str, statements: &[&str]) {
    let admin = Database::connect(server).await.expect("PostgreSQL of TEST_DATABASE_URL");
    // Many tests want it first at the same moment.
    let role = format!(
        "DO $$ BEGIN CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    for statement in [&[&*role], statements].concat() {
        admin.execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
    admin.close().await.expect("closed");
}

/// The URL with another database at its end.
fn on_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a URL that ends in a database name");
    format!("{server}/{name}")
}
