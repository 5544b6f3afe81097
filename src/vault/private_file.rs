//! Files that their owner alone may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

/// Writes a new file.
///
/// # Errors
/// When it exists already or cannot be written.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = private().open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a file; `what` says what it holds.
///
/// # Errors
/// A sentence for the operator, when it cannot be read, or group or others may read it.
pub fn read(path: &Path, what: &str) -> Result<Zeroizing<String>, String> {
    let failed = |e: io::Error| format!("cannot read {what} {}: {e}", path.display());
    refuse_shared_file(path, what, failed)?;
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

/// Replaces a file by what `change` makes of it, as a whole or not at all; `what` says what it holds. The owner stays.
///
/// # Errors
/// Those of [`read`], and of the change; when another change is under way, or it cannot be written.
pub fn replace<T>(
    path: &Path,
    what: &str,
    change: impl FnOnce(&str) -> Result<(Zeroizing<String>, T), String>,
) -> Result<T, String> {
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).map_err(|e| format!("cannot read {what} {}: {e}", path.display()))?;
    let failed = |e: io::Error| format!("cannot write {what} {}: {e}", path.display());
    let draft = Draft::create(&path, what)?;
    let (text, value) = change(&read(&path, what)?)?;
    draft.put_in_place_of(&path, &text).map_err(failed)?;
    Ok(value)
}

/// A file that is to take the place of another; goes when it does not. While it is there nobody else makes one.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn create(of: &Path, what: &str) -> Result<Self, String> {
        let mut name = of.as_os_str().to_owned();
        name.push(".new");
        let path = PathBuf::from(name);
        let file = private().open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "{what} {} is being changed by another command; if none is running, delete {}",
                of.display(),
                path.display()
            ),
            _ => format!("cannot write {}: {e}", path.display()),
        })?;
        Ok(Self { path, file })
    }

    fn put_in_place_of(mut self, other: &Path, text: &str) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let (old, new) = (fs::metadata(other)?, self.file.metadata()?);
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
            }
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.path, other)?;
        // The name, too, is to outlast a power cut.
        let folder = other.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there any more once it took the other's place.
        let _ = fs::remove_file(&self.path);
    }
}

/// For a new file.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Refuses a file that another user can read or change. Root may own it, and may read any file.
#[cfg(unix)]
fn refuse_shared_file(path: &Path, what: &str, failed: impl Fn(io::Error) -> String) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).map_err(failed)?;
    let name = path.display();
    if file.mode() & 0o077 != 0 {
        let mode = file.mode() & 0o777;
        return Err(format!("{what} {name} can be read by others (mode {mode:03o}): run `chmod 600 {name}`"));
    }
    // Linux shows the user of this process there; other systems keep the check of the mode alone.
    let user = fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(ROOT);
    match is_foreign(file.uid(), user) {
        true => Err(format!("{what} {name} belongs to user {}: run `chown {user} {name}`", file.uid())),
        false => Ok(()),
    }
}

#[cfg(unix)]
const ROOT: u32 = 0;

/// Whether the owner is a user who can change a file that this user relies on.
#[cfg(unix)]
fn is_foreign(owner: u32, user: u32) -> bool {
    user != ROOT && owner != ROOT && owner != user
}

#[cfg(not(unix))]
fn refuse_shared_file(_: &Path, _: &str, _: impl Fn(io::Error) -> String) -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn file_of_another_user_is_foreign_except_for_root() {
        assert!(is_foreign(1001, 1000));
        for (owner, user) in [(1000, 1000), (ROOT, 1000), (1000, ROOT), (ROOT, ROOT)] {
            assert!(!is_foreign(owner, user), "{owner} {user}");
        }
    }
}
