//! Whether the database can be written.

use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::timeout;

use super::Store;
use super::failure::is_busy;
use crate::error::{Error, Result};

/// How long a check waits for other writers of an SQLite file. A file with a writer can be written.
const WRITER_WAIT: Duration = Duration::from_millis(100);
/// Takes the write lock and changes no row.
const TOUCH: &str = r#"UPDATE "key_marks" SET "value" = "value" WHERE 1 = 0"#;
const IS_READ_ONLY: &str = "SELECT current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery()";

impl Store {
    /// Whether changes can be written: a stand-by, a read-only server and a read-only file only answer reads.
    ///
    /// # Errors
    /// [`Error::DatabaseUnavailable`] when the database does not answer, or its file is not at its path any more.
    pub async fn is_writable(&self) -> Result<bool> {
        match &self.file {
            Some(file) => {
                file.check()?;
                self.can_touch().await
            }
            None => Ok(!self.is_read_only_server().await?),
        }
    }

    async fn can_touch(&self) -> Result<bool> {
        let store = self.clone();
        // A task of its own: the driver must not lose the answer of the one writing connection.
        let touched = tokio::spawn(async move { store.touch().await });
        match timeout(WRITER_WAIT, touched).await {
            Ok(Ok(Err(error))) if is_busy(&error) => Ok(true),
            Ok(Ok(Err(error))) => match Error::from(error) {
                Error::DatabaseUnavailable { .. } => Ok(false),
                error => Err(error),
            },
            Ok(Err(_)) => {
                Err(Error::Internal { cause: "a check of the database panicked; its place is logged".into() })
            }
            Ok(Ok(Ok(()))) | Err(_) => Ok(true),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "names no row")]
    async fn touch(&self) -> std::result::Result<(), DbErr> {
        self.write.execute_raw(Statement::from_string(DbBackend::Sqlite, TOUCH)).await.map(drop)
    }

    #[expect(clippy::disallowed_methods, reason = "a setting of the server belongs to no tenant")]
    async fn is_read_only_server(&self) -> Result<bool> {
        let row = self.write.query_one_raw(Statement::from_string(DbBackend::Postgres, IS_READ_ONLY)).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false))
    }
}

/// The file of an embedded database as it was opened.
#[derive(Clone)]
pub(super) struct OpenedFile {
    path: PathBuf,
    id: Option<(u64, u64)>,
}

impl OpenedFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { id: file_id(&path), path }
    }

    /// Whether the path still leads to the file that is open. What is written to a removed file is lost.
    pub(super) fn check(&self) -> Result<()> {
        if file_id(&self.path) == self.id {
            return Ok(());
        }
        let path = self.path.display();
        Err(Error::DatabaseUnavailable {
            cause: format!("the database file {path} was removed or replaced: stop the server and put the file back"),
        })
    }
}

#[cfg(unix)]
fn file_id(path: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn file_id(path: &std::path::Path) -> Option<(u64, u64)> {
    path.exists().then_some((0, 0))
}
