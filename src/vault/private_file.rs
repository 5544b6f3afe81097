//! Files that their owner alone may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

/// Writes a new file.
///
/// # Errors
/// When it exists already or cannot be written.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a file; `what` says what it holds.
///
/// # Errors
/// A sentence for the operator, when it cannot be read, or group or others may read it.
pub fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, String> {
    let failed = |e: io::Error| format!("cannot read {what} {}: {e}", path.display());
    refuse_open_permissions(path, what, failed)?;
    fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

/// Reads a file that another process may be writing at this moment.
///
/// # Errors
/// Those of [`read`].
pub fn read_new(path: &Path, what: &str) -> Result<Zeroizing<String>, String> {
    const ATTEMPTS: u32 = 20;
    for _ in 1..ATTEMPTS {
        if fs::metadata(path).map_or(true, |file| file.len() > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    read(path, what)
}

#[cfg(unix)]
fn refuse_open_permissions(path: &Path, what: &str, failed: impl Fn(io::Error) -> String) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let name = path.display();
        return Err(format!("{what} {name} can be read by others (mode {:03o}): run `chmod 600 {name}`", mode & 0o777));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open_permissions(_: &Path, _: &str, _: impl Fn(io::Error) -> String) -> Result<(), String> {
    Ok(())
}
