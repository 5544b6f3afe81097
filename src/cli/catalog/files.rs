//! Reading catalog files from where an operator keeps them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::catalog::{Finding, MOST_BYTES, SourceFile, Syntax};
use crate::domain::Problems;

/// Most files of one run.
const MOST_FILES: usize = 10_000;

/// The files that were read, and what keeps others from it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<SourceFile>,
    pub(super) problems: Problems<Finding>,
}

/// Reads the files named, and those of the folders named; of a folder not what lies deeper.
pub(super) fn read(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        match path.is_dir() {
            true => found.add_folder(path),
            false => found.add_file(path),
        }
    }
    found
}

impl Found {
    fn add_folder(&mut self, folder: &Path) {
        let listed = std::fs::read_dir(folder).and_then(|items| items.map(|item| Ok(item?.path())).collect());
        let mut paths: Vec<PathBuf> = match listed {
            Ok(paths) => paths,
            Err(error) => return self.refuse(folder, format!("cannot be read: {error}")),
        };
        paths.retain(|path| syntax(path).is_some() && !path.is_dir());
        paths.sort();
        if paths.is_empty() {
            self.refuse(folder, "holds no .json, .yaml or .yml file: name the folder that does".to_owned());
        }
        paths.iter().for_each(|path| self.add_file(path));
    }

    fn add_file(&mut self, path: &Path) {
        if self.files.len() == MOST_FILES {
            return self.refuse(path, format!("is one too many: at most {MOST_FILES} files at once"));
        }
        let Some(syntax) = syntax(path) else {
            return self.refuse(path, "must end in .json, .yaml or .yml, which says how to read it".to_owned());
        };
        match text(path) {
            Ok(text) => self.files.push(SourceFile { path: path.display().to_string(), text, syntax }),
            Err(message) => self.refuse(path, message),
        }
    }

    fn refuse(&mut self, path: &Path, message: String) {
        let file = path.display().to_string();
        self.problems.push(Finding { file, line: None, column: None, pointer: String::new(), message });
    }
}

fn syntax(path: &Path) -> Option<Syntax> {
    match path.extension()?.to_str()? {
        "json" => Some(Syntax::Json),
        "yaml" | "yml" => Some(Syntax::Yaml),
        _ => None,
    }
}

/// No more of a file than may be: what is named may have no end.
fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() > MOST_BYTES {
        return Err(format!("is larger than {} MiB: no catalog file is", MOST_BYTES >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        format!("is not UTF-8 in line {line}: save it as UTF-8")
    })
}
