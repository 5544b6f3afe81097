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

/// The files of the built-in set, name and text.
pub fn builtin_files() -> &'static [(&'static str, &'static str)] {
    FILES
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
    use crate::catalog::{Set, check};
    use crate::domain::entry::{CATEGORIES, EntryState, IntegrationId};

    #[test]
    fn every_builtin_file_keeps_every_rule() {
        let entries = builtin().expect("readable");
        let today = chrono::Utc::now().date_naive();
        let faults = entries.iter().flat_map(|(file, value)| {
            let problems = check(value, Set::Builtin, today).problems;
            let listed = problems.listed().to_vec().into_iter();
            listed.map(|problem| format!("{}{}: {}", file.name, problem.pointer, problem.message))
        });
        let faults: Vec<_> = faults.collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(entries.len() >= 150, "at least 150 entries, found {}", entries.len());
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
    fn every_category_has_entries_and_every_http_entry_says_how_to_verify() {
        let entries = builtin().expect("readable");
        for category in CATEGORIES {
            assert!(entries.iter().filter(|(file, _)| file.category == category).count() >= 4, "{category}");
        }
        for (file, _) in entries {
            let speaks_http = file.http.is_some();
            assert!(speaks_http || ["postgres", "mysql"].contains(&&*file.name), "{}", file.name);
        }
    }

    #[test]
    fn generated_schemas_are_valid_and_the_same_from_run_to_run() {
        for (file, _) in builtin().expect("readable") {
            let entry = |file: EntryFile| {
                let at = chrono::DateTime::UNIX_EPOCH;
                file.into_entry(IntegrationId::of_builtin("x"), EntryState::Active, at, at)
            };
            let (first, second) = (entry(file.clone()), entry(file));
            for (schema, again) in
                [(&first.params_schema, &second.params_schema), (&first.secrets_schema, &second.secrets_schema)]
            {
                assert!(jsonschema::meta::is_valid(schema), "{}", first.name);
                assert_eq!(schema.to_string(), again.to_string());
            }
        }
    }
}
