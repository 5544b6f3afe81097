//! The built-in entries: `catalog/*.json`, compiled in by the build script.

use serde_json::Value;

use super::file::EntryFile;

include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Names that left the built-in set. A name is never used again, and its row is never deleted.
const RETIRED: &str = include_str!("../../catalog/schema/retired.json");

/// Every built-in entry with the JSON it was read from.
///
/// # Errors
/// One sentence per broken file; a test keeps the built-in set free of them.
pub fn builtin() -> Result<Vec<(EntryFile, Value)>, Vec<String>> {
    let (entries, faults): (Vec<_>, Vec<_>) =
        FILES.iter().map(|(name, text)| read(name, text)).partition(Result::is_ok);
    if faults.is_empty() {
        Ok(entries.into_iter().flatten().collect())
    } else {
        Err(faults.into_iter().filter_map(Result::err).collect())
    }
}

/// Names that left the built-in set.
pub fn retired() -> Vec<String> {
    serde_json::from_str(RETIRED).unwrap_or_default()
}

fn read(name: &str, text: &str) -> Result<(EntryFile, Value), String> {
    let fault = |e: serde_json::Error| format!("catalog/{name}: {e}");
    let mut value: Value = serde_json::from_str(text).map_err(fault)?;
    let file: EntryFile = serde_json::from_str(text).map_err(fault)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("$schema");
    }
    Ok((file, value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::problems;

    #[test]
    fn every_builtin_file_keeps_every_rule() {
        let entries = builtin().expect("readable");
        let today = chrono::Utc::now().date_naive();
        let faults: Vec<_> = entries.iter().flat_map(|(file, _)| problems(file, today)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(entries.len() >= 40, "at least 40 entries, found {}", entries.len());
    }

    #[test]
    fn names_are_unique_match_their_file_and_were_never_retired() {
        let entries = builtin().expect("readable");
        let names: BTreeSet<_> = entries.iter().map(|(file, _)| file.name.clone()).collect();
        assert_eq!(names.len(), entries.len());
        assert!(retired().iter().all(|name| !names.contains(name)));
        for ((file, _), (path, _)) in entries.iter().zip(FILES) {
            assert_eq!(*path, format!("{}.json", file.name));
        }
    }

    #[test]
    fn the_published_schema_accepts_every_builtin_file() {
        let schema: Value = serde_json::from_str(include_str!("../../catalog/schema/entry.json")).expect("schema");
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("2020-12");
        for (name, text) in FILES {
            let value: Value = serde_json::from_str(text).expect(name);
            let faults: Vec<_> =
                validator.iter_errors(&value).map(|e| format!("{name} {}: {e}", e.instance_path())).collect();
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        }
    }
}
