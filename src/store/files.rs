//! Files of the embedded database: readable and writable by their owner alone.
//!
//! SQLite gives the write-ahead log and its index the mode of the database file. The database file and both lock files are
//! therefore created here, before SQLite opens them.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Suffixes of the files that SQLite keeps beside the database.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Creates the database file when it is absent, and takes the rights of other users away from it and its companions.
pub(super) fn secure_database(database: &Path) -> io::Result<()> {
    warn_of_open_folder(database);
    create_private(database)?;
    for suffix in COMPANIONS {
        let mut name = OsString::from(database);
        name.push(suffix);
        let companion = PathBuf::from(name);
        if companion.exists() {
            secure(&companion);
        }
    }
    Ok(())
}

/// Creates an empty file for its owner alone, or takes the rights of other users away from an existing one.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => {
            secure(path);
            Ok(())
        }
    }
}

/// Leaves the owner alone with the rights that it has. A file of root in a folder of another user goes to that user first: a command of root must not lock the
/// server out. A file that cannot be changed is reported.
#[cfg(unix)]
fn secure(path: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    const ROOT: u32 = 0;
    let (Ok(file), Ok(folder)) = (fs::metadata(path), fs::metadata(folder_of(path))) else { return };
    if file.uid() == ROOT && folder.uid() != ROOT && chown(path, Some(folder.uid()), Some(folder.gid())).is_err() {
        return report_open(path, file.mode());
    }
    let private = fs::Permissions::from_mode(file.mode() & 0o700);
    if file.mode() & 0o077 != 0 && fs::set_permissions(path, private).is_err() {
        report_open(path, file.mode());
    }
}

#[cfg(not(unix))]
fn secure(_: &Path) {}

#[cfg(unix)]
fn report_open(path: &Path, mode: u32) {
    if mode & 0o077 != 0 {
        let (file, mode) = (path.display(), format!("{:03o}", mode & 0o777));
        tracing::warn!(%file, mode, "other users can read this file, and its mode cannot be changed: run chmod 600");
    }
}

#[cfg(unix)]
fn warn_of_open_folder(database: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder_of(database);
    let Ok(mode) = fs::metadata(folder).map(|folder| folder.permissions().mode()) else { return };
    if mode & 0o007 != 0 {
        let (folder, mode) = (folder.display(), format!("{:03o}", mode & 0o777));
        tracing::warn!(%folder, mode, "the data directory is open to other users: run chmod 700");
    }
}

#[cfg(not(unix))]
fn warn_of_open_folder(_: &Path) {}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
