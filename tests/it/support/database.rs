//! Where a world keeps its rows: a file, or a schema or a whole database of the server of `TEST_DATABASE_URL`.
//!
//! With `TEST_ROW_LEVEL_SECURITY=1` too, Patchbay acts there as a plain role that owns its tables, behind their policies;
//! who looks and meddles behind its back stays superuser.

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
    admin_url: String,
    is_walled: bool,
}

impl TestDatabase {
    /// An empty database, in this folder or as a schema of its own.
    pub async fn create(folder: &TempDir) -> Self {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => Self::schema(&server, has_row_level_security()).await,
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
        Self::Postgres(Server { url, admin_url, is_walled })
    }

    /// A whole database; for tests that look at the server's own tables, and behind a pooler, which takes no search path.
    pub async fn whole(server: &str, is_walled: bool) -> Self {
        let name = format!("d_{}", uuid::Uuid::new_v4().simple());
        make(server, &[&format!("CREATE DATABASE {name}")]).await;
        let url = on_database(server, &name);
        if !is_walled {
            return Self::Postgres(Server { admin_url: url.clone(), url, is_walled });
        }
        // Every connection gets the plain role, also one that a pooler makes.
        let owned = format!("ALTER DATABASE {name} OWNER TO {ROLE}");
        make(server, &[&owned, &format!("ALTER DATABASE {name} SET role = {ROLE}")]).await;
        Self::Postgres(Server { admin_url: format!("{url}?options=-crole%3Dnone"), url, is_walled })
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

    /// The same database by way of another server, such as a pooler.
    pub fn by_way_of(&self, server: &str) -> String {
        let url = self.url();
        let (_, name) = url.rsplit_once('/').expect("a URL that ends in a database name");
        on_database(server, name)
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
