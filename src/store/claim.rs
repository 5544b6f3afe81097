//! Who uses an SQLite file: all who have it open hold a part of its claim, and whoever puts another file in its place
//! must have the whole.
//!
//! SQLite's own locks cannot tell: they lie in the file that is to be replaced, and a server that starts meanwhile would
//! open one file or the other. The claim is a lock on a file beside it, `.in-use`, which is never deleted and ends with
//! the process.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files;
use crate::error::{Error, Result};

/// How long to wait for another file to be put in place.
const WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// The whole claim: nobody opens the file while it is held.
pub struct WholeClaim {
    _file: File,
}

/// Part of the claim on a file, held until the returned file is closed.
pub(super) async fn share(database: &Path) -> Result<File> {
    let file = open_or_make(database).map_err(|e| failed(database, &e))?;
    let deadline = Instant::now() + WAIT;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
            Err(TryLockError::WouldBlock) => {
                let cause = format!("a backup is being restored to {}: wait until that has ended", database.display());
                return Err(Error::DatabaseUnavailable { cause });
            }
            Err(TryLockError::Error(e)) => return Err(failed(database, &e)),
        }
    }
}

impl WholeClaim {
    /// The whole claim on a file; none while anybody uses it.
    ///
    /// # Errors
    /// [`Error::Database`] when the file beside it cannot be used.
    pub fn take(database: &Path) -> Result<Option<Self>> {
        let file = open_or_make(database).map_err(|e| failed(database, &e))?;
        Self::of(file, database)
    }

    /// Whether anybody uses a file. Makes nothing.
    ///
    /// # Errors
    /// Those of [`WholeClaim::take`].
    pub fn is_to_be_had(database: &Path) -> Result<bool> {
        match File::open(place(database)) {
            Ok(file) => Ok(Self::of(file, database)?.is_some()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
            Err(e) => Err(failed(database, &e)),
        }
    }

    fn of(file: File, database: &Path) -> Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(database, &e)),
        }
    }
}

/// Opened for reading: that is enough for either lock.
fn open_or_make(database: &Path) -> io::Result<File> {
    let path = place(database);
    files::create_private(&path)?;
    File::open(&path)
}

fn place(database: &Path) -> PathBuf {
    database.with_extension("in-use")
}

fn failed(database: &Path, e: &io::Error) -> Error {
    Error::Database { cause: format!("lock file {}: {e}", place(database).display()) }
}
