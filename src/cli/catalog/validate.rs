//! Looking for mistakes in files.

use std::path::PathBuf;

use chrono::Utc;
use serde::Serialize;

use super::files;
use crate::catalog::{Batch, Finding, Set, SourceFile, Syntax, builtin_files};
use crate::cli::bar::bar;
use crate::cli::print::{count, print, print_json, tell};
use crate::domain::Problems;
use crate::domain::problems::omitted_sentence;

pub(super) const HELP: &str = "\
Each line: FILE:LINE: /pointer rule and cure. A file holds one entry, a list of them, or several
YAML documents. Of a folder the files in it are read, not what lies deeper.

At most 100 problems and 100 warnings are listed, followed by the number of further ones.

With --json: files, entries, problems and warnings, each with file, line, column (of faults of the
syntax), pointer, message; problems_omitted and warnings_omitted, how many more there are

Examples:
  patchbay catalog validate our-entries/ extra.yaml
  patchbay catalog validate --builtin catalog";

#[derive(Serialize)]
pub(super) struct Report {
    files: usize,
    entries: usize,
    problems: Vec<Finding>,
    /// Problems beyond those listed.
    problems_omitted: usize,
    warnings: Vec<Finding>,
    /// Warnings beyond those listed.
    warnings_omitted: usize,
}

pub(super) fn validate(paths: &[PathBuf], builtin: bool, json: bool) -> Result<(), String> {
    let (_, report) = match paths {
        [] => check(builtin_set(), Problems::default(), Set::Builtin)?,
        _ => read_and_check(paths, if builtin { Set::Builtin } else { Set::Custom })?,
    };
    match json {
        true => print_json(&report)?,
        false => report.lines().try_for_each(|line| {
            print(&format!(
                "{line}
"
            ))
        })?,
    }
    report.verdict()?;
    tell(&format!("{} in {}: no mistakes", count_entries(report.entries), count(report.files as u64, "file")));
    Ok(())
}

/// The files of an operator, with every mistake in them.
pub(super) fn read_and_check(paths: &[PathBuf], set: Set) -> Result<(Batch, Report), String> {
    let found = files::read(paths);
    check(found.files, found.problems, set)
}

fn check(files: Vec<SourceFile>, unreadable: Problems<Finding>, set: Set) -> Result<(Batch, Report), String> {
    let bar = bar("checking", "files", Some(files.len() as u64))?;
    let mut batch = Batch::check(&files, set, Utc::now().date_naive(), || bar.inc(1));
    bar.finish_and_clear();
    let mut problems = unreadable;
    problems.merge(std::mem::take(&mut batch.problems), |_| true);
    let warnings = std::mem::take(&mut batch.warnings);
    let report = Report {
        files: files.len(),
        entries: batch.entries.len(),
        problems_omitted: problems.omitted(),
        problems: problems.listed().to_vec(),
        warnings_omitted: warnings.omitted(),
        warnings: warnings.listed().to_vec(),
    };
    Ok((batch, report))
}

impl Report {
    /// All mistakes and warnings on standard error, for a command whose result is something else.
    pub(super) fn tell(&self) {
        self.lines().for_each(|line| tell(&line));
    }

    /// A line for each warning and each mistake, and one for those that are not listed.
    fn lines(&self) -> impl Iterator<Item = String> {
        let warnings = self.warnings.iter().map(|finding| format!("warning: {finding}"));
        let more_warnings = (self.warnings_omitted > 0).then(|| format!("and {} more warnings", self.warnings_omitted));
        let more_problems = (self.problems_omitted > 0).then(|| omitted_sentence(self.problems_omitted));
        warnings.chain(more_warnings).chain(self.problems.iter().map(ToString::to_string)).chain(more_problems)
    }

    pub(super) fn files(&self) -> usize {
        self.files
    }

    pub(super) fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// # Errors
    /// When there is any mistake.
    pub(super) fn verdict(&self) -> Result<(), String> {
        match (self.problems.len() + self.problems_omitted) as u64 {
            0 => Ok(()),
            mistakes => Err(format!("{} in the catalog files", count(mistakes, "mistake"))),
        }
    }
}

fn builtin_set() -> Vec<SourceFile> {
    let file = |(name, text): &(&str, &str)| SourceFile {
        path: format!("catalog/{name}"),
        text: (*text).to_owned(),
        syntax: Syntax::Json,
    };
    builtin_files().iter().map(file).collect()
}

pub(super) fn count_entries(entries: usize) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    }
}
