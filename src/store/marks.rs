//! Whether anything at all was committed to an SQLite file since a moment ago, told without asking SQLite.
//!
//! In WAL mode every commit, by whichever process, changes the header of the WAL index, the file `-shm` beside the
//! database (<https://sqlite.org/walformat.html>, section 2.1). Reading it is one system call of the thread at hand; a
//! statement is two changes of thread. What is learnt is only "nothing was committed": otherwise SQLite is asked.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Each of the two copies of the header, which are equal unless one is being written.
const HEADER: usize = 48;

/// The marks of one file. Nothing is told on other databases, and where the file cannot be read.
#[derive(Default)]
pub(super) struct Marks {
    index: Option<PathBuf>,
    /// Left open for good: on POSIX systems closing any handle of a file ends all locks that the process holds on it, and
    /// SQLite's are on this file.
    open: OnceLock<Option<&'static File>>,
    hasher: RandomState,
}

/// A state of the file: two that are equal have no commit between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(pub(super) u64);

impl Marks {
    pub(super) fn of_sqlite(database: &Path) -> Self {
        let mut name = database.as_os_str().to_owned();
        name.push("-shm");
        Self { index: Some(name.into()), ..Self::default() }
    }

    /// The present state. Called when a connection is open: the index exists as long as one is.
    pub(super) fn now(&self) -> Option<Mark> {
        let open = || File::open(self.index.as_ref()?).ok().map(|file| &*Box::leak(Box::new(file)));
        let file = self.open.get_or_init(open).as_ref()?;
        let mut copies = [0; 2 * HEADER];
        read_from_start(file, &mut copies)?;
        let (one, two) = copies.split_at(HEADER);
        // SQLite writes the second copy first: when they agree none of them is half written.
        (one == two).then(|| Mark(self.hasher.hash_one(one)))
    }
}

#[cfg(unix)]
fn read_from_start(file: &File, bytes: &mut [u8]) -> Option<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, 0).ok()
}

#[cfg(not(unix))]
fn read_from_start(_: &File, _: &mut [u8]) -> Option<()> {
    None
}
