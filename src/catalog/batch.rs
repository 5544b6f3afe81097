//! Several catalog files together: every mistake of each with its line, and what only shows when they are seen as a set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use super::document::{self, Document, Syntax};
use super::{Set, builtin_files, check, retired};
use crate::domain::Problems;
use crate::domain::text::printable;

/// A file that was read.
pub struct SourceFile {
    /// As the operator named it.
    pub path: String,
    /// Its text.
    pub text: String,
    /// How it is written.
    pub syntax: Syntax,
}

/// A mistake, or what should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which file.
    pub file: String,
    /// From 1; none when it is about the file as such.
    pub line: Option<usize>,
    /// From 1; of faults of the syntax.
    pub column: Option<usize>,
    /// What it is about, as a JSON pointer into the entry.
    pub pointer: String,
    /// The rule and the cure.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        match self.pointer.as_str() {
            "" => write!(f, ": {}", printable(&self.message)),
            pointer => write!(f, ": {} {}", printable(pointer), printable(&self.message)),
        }
    }
}

/// An entry of a file.
pub struct BatchEntry {
    /// Its name.
    pub name: String,
    /// The entry, without the key that is for editors.
    pub definition: Value,
    file: String,
    line: usize,
}

/// What came of the files.
#[derive(Default)]
pub struct Batch {
    /// The entries; fit for use when there are no problems.
    pub entries: Vec<BatchEntry>,
    /// The mistakes, in the order of files and lines.
    pub problems: Problems<Finding>,
    /// What is right today, and should be looked at.
    pub warnings: Problems<Finding>,
}

impl Batch {
    /// Looks at files for everything that is wrong with them; tells after each that it is done.
    pub fn check(files: &[SourceFile], set: Set, today: NaiveDate, mut done: impl FnMut()) -> Self {
        let mut batch = Self::default();
        for file in files {
            batch.add(file, set, today);
            done();
        }
        batch.names(set, &retired());
        // Files stay in their order: the sort is stable within each.
        let order: BTreeMap<_, _> = files.iter().enumerate().map(|(n, file)| (file.path.as_str(), n)).collect();
        batch.problems.sort_by_key(|finding| (order.get(finding.file.as_str()).copied(), finding.line));
        batch
    }

    fn add(&mut self, file: &SourceFile, set: Set, today: NaiveDate) {
        match document::read(&file.text, file.syntax) {
            Ok(documents) => documents.into_iter().for_each(|document| self.add_document(file, document, set, today)),
            Err(faults) => {
                let finding = |fault: document::Fault| Finding {
                    file: file.path.clone(),
                    line: Some(fault.line),
                    column: Some(fault.column),
                    pointer: String::new(),
                    message: fault.message,
                };
                self.problems.merge(faults.map(finding), |_| true);
            }
        }
    }

    fn add_document(&mut self, file: &SourceFile, document: Document, set: Set, today: NaiveDate) {
        let checked = check(&document.value, set, today);
        let finding = |problem: super::Problem| Finding {
            file: file.path.clone(),
            line: Some(document.line(&problem.pointer)),
            column: None,
            pointer: problem.pointer,
            message: problem.message,
        };
        self.warnings.extend(checked.warnings.into_iter().map(finding));
        self.problems.merge(checked.problems.map(finding), |_| true);
        // Without one there is nothing more to say.
        if checked.file.name.is_empty() {
            return;
        }
        let line = document.line("/name");
        let mut definition = document.value;
        if let Some(object) = definition.as_object_mut() {
            object.remove("$schema");
        }
        self.entries.push(BatchEntry { name: checked.file.name, definition, file: file.path.clone(), line });
    }

    /// What the names owe to each other, to the files, and to those that are gone.
    fn names(&mut self, set: Set, retired: &[String]) {
        // Each file has the name of its entry: the set need not be parsed for that.
        let builtin: BTreeSet<_> = builtin_files().iter().filter_map(|(name, _)| name.strip_suffix(".json")).collect();
        let mut first: BTreeMap<&str, &BatchEntry> = BTreeMap::new();
        for entry in &self.entries {
            let BatchEntry { name, file, line, .. } = entry;
            let mut wrong = |message: String| self.problems.push(entry.finding(message));
            if retired.contains(name) {
                wrong(format!(
                    "{name} is the name of an entry that was retired, and is never used again: choose another"
                ));
            }
            match first.get(name.as_str()) {
                Some(BatchEntry { file, line, .. }) => {
                    wrong(format!("{name} is already in {file}:{line}: keep one of the two"));
                }
                None => drop(first.insert(name, entry)),
            }
            if set == Set::Builtin && stem(file) != name {
                wrong(format!("{name} stands in a file of another name: call the file {name}.json"));
            }
            if set == Set::Custom && builtin.contains(name.as_str()) {
                let message = format!("{name} is a built-in entry: importing this edits it for every account");
                self.warnings.push(Finding { line: Some(*line), ..entry.finding(message) });
            }
        }
    }
}

impl BatchEntry {
    fn finding(&self, message: String) -> Finding {
        Finding { file: self.file.clone(), line: Some(self.line), column: None, pointer: "/name".into(), message }
    }
}

/// The file's name without folder and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: NAME\ndisplay_name: Acme\ndescription: Sells.\ncategory: commerce\nauth:\n- kind: none\n";

    fn check_all(files: &[(&str, String)], set: Set) -> Batch {
        let files = files.iter().map(|(path, text)| SourceFile {
            path: (*path).to_owned(),
            text: text.clone(),
            syntax: Syntax::Yaml,
        });
        Batch::check(&files.collect::<Vec<_>>(), set, NaiveDate::from_ymd_opt(2026, 11, 28).expect("a date"), || ())
    }

    fn told(findings: &Problems<Finding>) -> Vec<String> {
        findings.listed().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_mistake_of_each_file_is_one_line_with_its_place() {
        let broken = GOOD.replace("NAME", "x").replace("Sells.", "''").replace("commerce", "games") + "colour: red\n";
        let batch = check_all(&[("a.yaml", broken), ("b.yaml", "a: [".into())], Set::Custom);
        let told = told(&batch.problems);
        let beginnings = [
            "a.yaml:3: /description must not be empty",
            "a.yaml:4: /category must be one of",
            "a.yaml:7: /colour is not a key",
            "b.yaml:",
        ];
        assert_eq!(told.len(), beginnings.len(), "{told:#?}");
        for (told, beginning) in told.iter().zip(beginnings) {
            assert!(told.starts_with(beginning), "{told}");
        }
    }

    #[test]
    fn a_name_stands_in_one_file_alone_and_of_the_builtin_set_in_one_of_its_name() {
        let files = [("a.yaml", GOOD.replace("NAME", "acme")), ("d/b.yaml", GOOD.replace("NAME", "acme"))];
        let batch = check_all(&files, Set::Custom);
        assert_eq!(told(&batch.problems), ["d/b.yaml:1: /name acme is already in a.yaml:1: keep one of the two"]);
        let named = told(&check_all(&files[..1], Set::Builtin).problems);
        assert!(named.iter().any(|told| told.contains("call the file acme.json")), "{named:?}");
    }

    #[test]
    fn a_retired_name_is_refused_in_either_set() {
        for set in [Set::Builtin, Set::Custom] {
            let mut batch = check_all(&[("acme.yaml", GOOD.replace("NAME", "acme"))], set);
            batch.problems = Problems::default();
            batch.names(set, &["acme".to_owned()]);
            let [told] = &told(&batch.problems)[..] else { panic!("one") };
            assert!(told.starts_with("acme.yaml:1: /name acme is the name of an entry that was retired"), "{told}");
        }
    }

    #[test]
    fn a_builtin_name_is_worth_a_warning_and_no_mistake() {
        let batch = check_all(&[("a.yaml", GOOD.replace("NAME", "stripe"))], Set::Custom);
        assert_eq!(told(&batch.problems), [""; 0]);
        assert_eq!(
            told(&batch.warnings),
            ["a.yaml:1: /name stripe is a built-in entry: importing this edits it for every account"]
        );
    }
}
