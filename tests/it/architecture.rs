//! The floors of the house, read from `src/`: a module names only what lies below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module of `src/`, the modules of ours that it may name, and the crates that it must not know.
struct Floor {
    module: &'static str,
    may_name: &'static [&'static str],
    never: &'static [&'static str],
}

const DATABASE: [&str; 4] = ["sea_orm", "sea_orm_migration", "entity", "migration"];
const WEB: [&str; 4] = ["axum", "tower", "tower_http", "utoipa"];
const HTTP: [&str; 2] = ["hyper", "http_body_util"];
const GRAPHQL: [&str; 1] = ["async_graphql"];
const CIPHER: [&str; 1] = ["aes_gcm"];
const AWS: [&str; 4] = ["aws_config", "aws_credential_types", "aws_sdk_kms", "aws_smithy_http_client"];
const IDENTITY: [&str; 2] = ["jsonwebtoken", "ring"];
const OUTBOUND: [&str; 3] = ["rustls", "hyper_rustls", "hyper_util"];

fn floors() -> Vec<Floor> {
    vec![
        Floor { module: "domain", may_name: &["error"], never: &["serde", "jsonschema", "tokio"] },
        Floor { module: "error", may_name: &["domain"], never: &["serde", "serde_json", "tokio"] },
        Floor { module: "outbound", may_name: &[], never: &["serde", "serde_json", "tokio"] },
        Floor { module: "vault", may_name: &["domain", "error", "outbound"], never: &["jsonschema"] },
        Floor { module: "store", may_name: &["domain", "error"], never: &["jsonschema"] },
        Floor { module: "tokens", may_name: &["domain", "error", "outbound"], never: &["jsonschema"] },
        Floor { module: "catalog", may_name: &["domain", "error"], never: &[] },
        Floor { module: "service", may_name: &["domain", "error", "vault", "store", "tokens", "catalog"], never: &[] },
        Floor { module: "edge", may_name: &["domain", "error", "service"], never: &["utoipa"] },
        Floor { module: "rest", may_name: &["domain", "error", "service", "edge"], never: &[] },
        Floor { module: "graphql", may_name: &["domain", "error", "service", "edge"], never: &["utoipa"] },
    ]
}

/// Heavy crates that only some floors know.
fn heavy(module: &str) -> Vec<&'static str> {
    let mut never = Vec::new();
    if module != "store" {
        never.extend(DATABASE);
    }
    if !matches!(module, "rest" | "graphql" | "edge") {
        never.extend(WEB);
    }
    if !matches!(module, "rest" | "graphql" | "edge" | "tokens" | "vault" | "outbound") {
        never.extend(HTTP);
    }
    if module != "graphql" {
        never.extend(GRAPHQL);
    }
    if module != "vault" {
        never.extend(CIPHER);
        never.extend(AWS);
    }
    if module != "tokens" {
        never.extend(IDENTITY);
    }
    if module != "outbound" {
        never.extend(OUTBOUND);
    }
    never
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file of a module, with its code: no comments, no unit tests.
fn files(module: &str) -> Vec<(PathBuf, String)> {
    let mut open = vec![source().join(module), source().join(format!("{module}.rs"))];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("folder").map(|entry| entry.expect("entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
            let text = fs::read_to_string(&path).expect("text");
            files.push((path, code(&text)));
        }
    }
    assert!(!files.is_empty(), "no module {module} in src");
    files
}

/// A file without its comments and unit tests.
pub fn code(text: &str) -> String {
    let tested = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    tested.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Modules of ours that the code names: `crate::x`, also inside `use crate::{x, y::z}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.extend(head(rest)),
        }
    }
    names
}

/// The first word of each item of a group, up to the brace that closes it.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                found.extend(head(&group[start..at]));
                start = at + 1;
            }
            '}' if depth == 0 => {
                found.extend(head(&group[start..at]));
                return found;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

fn head(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Whether the code names a crate: as the head of a path.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let is_head = !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))
            && (!code[..at].ends_with("::") || code[..at].trim_end_matches(':').ends_with(char::is_whitespace));
        is_head && (after.starts_with("::") || after.starts_with(';') && code[..at].trim_end().ends_with("use"))
    })
}

#[test]
fn no_module_names_what_lies_above_it() {
    for floor in floors() {
        for (path, code) in files(floor.module) {
            let allowed = |name: &String| name == floor.module || floor.may_name.contains(&name.as_str());
            let above: Vec<_> = named(&code).into_iter().filter(|name| !allowed(name)).collect();
            assert!(above.is_empty(), "{} names {above:?}, which {} may not", path.display(), floor.module);
        }
    }
}

#[test]
fn no_module_knows_a_crate_of_another_floor() {
    for floor in floors() {
        for (path, code) in files(floor.module) {
            for name in heavy(floor.module).iter().chain(floor.never) {
                assert!(!names_crate(&code, name), "{} knows {name}", path.display());
            }
        }
    }
}

/// Its blanket conversion would publish any error's text.
#[test]
fn no_resolver_returns_the_result_of_the_library() {
    for (path, code) in files("graphql") {
        assert!(!code.contains("async_graphql::Result"), "{}", path.display());
        assert!(!code.contains("async_graphql::FieldResult"), "{}", path.display());
        for (at, _) in code.match_indices("async_graphql::{") {
            let group = &code[at..];
            let group = &group[..group.find("};").unwrap_or(group.len())];
            let words = group.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(!words.into_iter().any(|word| word == "Result"), "{}: {group}", path.display());
        }
    }
}

#[test]
fn only_the_command_line_reads_the_environment() {
    let all = fs::read_dir(source()).expect("src").map(|entry| entry.expect("entry").path());
    for path in all {
        let module = path.file_stem().expect("name").to_string_lossy().into_owned();
        if matches!(module.as_str(), "cli" | "lib" | "main") {
            continue;
        }
        for (path, code) in files(&module) {
            assert!(!code.contains("env::var"), "{} reads the environment", path.display());
        }
    }
}

#[test]
fn steps_of_the_schema_never_import_entities() {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("migration/src");
    for entry in fs::read_dir(steps).expect("folder") {
        let path = entry.expect("entry").path();
        let code = code(&fs::read_to_string(&path).expect("text"));
        assert!(!names_crate(&code, "entity"), "{}", path.display());
    }
}

#[test]
fn every_module_of_the_library_has_a_floor_or_stands_at_the_top() {
    let top = ["app", "cli", "config", "server", "telemetry", "web"];
    let library = code(&fs::read_to_string(source().join("lib.rs")).expect("lib.rs"));
    for line in library.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(top.contains(&module) || floors().iter().any(|f| f.module == module), "{module} has no floor");
    }
}

#[test]
fn the_reader_of_sources_tells_good_from_bad() {
    let code =
        code("use crate::{a::{b, c}, d}; // crate::comment\nlet x = crate::e::f();\n/// crate::doc\nuse crate::g;");
    assert_eq!(named(&code), ["a", "d", "e", "g"].map(str::to_owned).into());
    for bad in ["use axum;", "use axum::Router;", "fn f() -> axum::Body", "(axum::x)", "use ::axum::x;"] {
        assert!(names_crate(bad, "axum"), "{bad}");
    }
    for good in ["use my_axum::x;", "self.axum", "let axum = 1;", "use crate::axum::x;", "use axum_extra::x;"] {
        assert!(!names_crate(good, "axum"), "{good}");
    }
}
