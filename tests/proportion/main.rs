//! Work and memory in proportion to the request: whatever a definition or a body holds, checking it takes at most 20 times
//! its size and 1 MiB beside that, whether it is accepted or refused. Request bodies may take one MiB more (decision 42).
//!
//! In release, or with `LONG_TESTS=1`, the CPU time counts as well: 50 ms per 64 KiB begun. `PROPTEST_CASES` sets the number
//! of generated documents.

#![allow(missing_docs, reason = "a test's name is its claim")]

mod definitions;
mod installations;
mod measure;
