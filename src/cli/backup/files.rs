//! Files that appear whole or not at all, outlast a power cut, and are their owner's alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;
pub(super) const STOPPED: &str = "stopped before the end: nothing was changed";

/// A folder beside what is to be written, for what is not whole yet. Goes when dropped; what a killed command left of one
/// goes with the next.
pub(super) struct Workshop {
    path: PathBuf,
    _lock: File,
}

impl Workshop {
    /// In this folder, where one backup at a time is made.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join(".patchbay-backup.partial");
        let failed = |e: io::Error| format!("cannot write to {}: {e}", folder.display());
        let make = || DirBuilder::new().mode(0o700).create(&path);
        match make() {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if !is_left_over(&path).map_err(failed)? {
                    return Err(format!("another backup is being written to {}: wait for its end", folder.display()));
                }
                fs::remove_dir_all(&path).and_then(|()| make()).map_err(failed)?;
            }
            made => made.map_err(failed)?,
        }
        let lock = create(&path.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { path, _lock: lock })
    }

    /// An empty file in it.
    pub(super) fn file(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        create(&path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(path)
    }
}

const LOCK: &str = "lock";

/// Whether nobody works in it any more.
fn is_left_over(workshop: &Path) -> io::Result<bool> {
    match File::open(workshop.join(LOCK)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
        Ok(lock) => match lock.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        },
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // The next one clears up otherwise.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A new file that its owner alone may read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Gives a whole file its name, in place of another one only if that is wanted.
pub(super) fn publish(file: &Path, name: &Path, in_place: bool) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    if in_place {
        return fs::rename(file, name);
    }
    // A rename would silently replace what somebody else wrote meanwhile.
    match fs::hard_link(file, name) {
        Ok(()) => fs::remove_file(file),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(e),
        // Some file systems have no links.
        Err(_) if !name.exists() => fs::rename(file, name),
        Err(e) => Err(e),
    }
}

/// The names in it, too, are to outlast a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that a file lies in.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a new file to whom the other one belongs: root may restore what a server is to read.
pub(super) fn give_to_owner_of(other: &Path, file: &File) -> io::Result<()> {
    let (wanted, ours) = (fs::metadata(other)?, file.metadata()?);
    match (wanted.uid(), wanted.gid()) == (ours.uid(), ours.gid()) {
        true => Ok(()),
        false => fchown(file, Some(wanted.uid()), Some(wanted.gid())),
    }
}

/// SHA-256 of a file, in hexadecimal, which is written on to `copy` meanwhile.
pub(super) fn digest(
    file: &Path,
    copy: &mut impl Write,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> Result<String, String> {
    let failed = |e: io::Error| format!("cannot read {}: {e}", file.display());
    let mut reader = File::open(file).map_err(failed)?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        if stop.load(Ordering::Acquire) {
            return Err(STOPPED.to_owned());
        }
        let read = match reader.read(&mut piece) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(failed)?,
        };
        if read == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(&piece[..read]);
        copy.write_all(&piece[..read]).map_err(|e| format!("cannot write the copy: {e}"))?;
        bar.inc(read as u64);
    }
}
