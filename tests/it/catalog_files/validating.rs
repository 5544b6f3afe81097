//! Every mistake, once, where it stands.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::{Files, alone, entry, row, run, text};
use crate::support::World;

const EVERY_MISTAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog/every_mistake.yaml");

/// What the file itself says is told of its lines: line, pointer, a part of the message.
fn expected(text: &str) -> Vec<(usize, String, String)> {
    let lines = text.lines().enumerate().filter_map(|(n, line)| Some((n + 1, line.split_once(" # ! ")?.1)));
    let of_line = lines.flat_map(|(n, told)| told.split(" | ").map(move |told| (n, told)));
    let read = |(n, told): (usize, &str)| {
        let (pointer, part) = told.split_once(": ").expect("pointer and message");
        (n, pointer.to_owned(), part.to_owned())
    };
    of_line.map(read).collect()
}

#[test]
fn a_file_with_every_possible_mistake_gives_one_message_per_mistake_with_its_line() {
    let text = std::fs::read_to_string(EVERY_MISTAKE).expect("fixture");
    let told = alone(&["validate", "--builtin", "--json", EVERY_MISTAKE]);
    assert_eq!(told.code, Some(1));
    let report = told.json();
    let mut found: Vec<_> = report["problems"].as_array().expect("a list").clone();
    for (line, pointer, part) in expected(&text) {
        let is_it = |told: &Value| {
            told["line"] == line
                && told["pointer"] == pointer
                && told["message"].as_str().expect("text").contains(&part)
        };
        let at = found.iter().position(is_it);
        let at = at.unwrap_or_else(|| panic!("not told: line {line} {pointer} {part}; left are {found:#?}"));
        assert_eq!(found.remove(at)["file"], EVERY_MISTAKE);
    }
    assert!(found.is_empty(), "told and not expected: {found:#?}");
    // For people: a line each.
    let told = alone(&["validate", "--builtin", EVERY_MISTAKE]);
    let lines: BTreeSet<_> = told.out.lines().collect();
    assert_eq!(lines.len(), expected(&text).len(), "{}", told.out);
    assert!(lines.iter().all(|line| line.starts_with(&format!("{EVERY_MISTAKE}:"))), "{}", told.out);
    assert!(told.err.contains("mistakes in the catalog files"), "{}", told.err);
}

#[test]
fn problems_of_hostile_files_are_limited() {
    let bomb = format!(
        "{}params:\n- {{name: a, label: A, type: string, example: \"{{a}}{{a}}\"}}\nhttp:\n  base_url: \"{}\"\n  \
         allowed_hosts: [x]\n  verify: {{method: GET, path: /, expect_status: 200}}\n",
        entry("acme", "Sells."),
        "{a}".repeat(29)
    );
    let unknown: String = (0..1_000).map(|n| format!("key_{n}: 1\n")).collect();
    let files = Files::new(&[("bomb.yaml", &bomb), ("unknown.yaml", &(entry("other", "Sells.") + &unknown))]);
    let told = alone(&["validate", &files.path()]);
    assert_eq!(told.code, Some(1));
    assert!(told.out.len() < 40_000 && told.out.contains("/http/base_url must start with https://"), "{}", told.out);
    assert_eq!(told.out.lines().last(), Some("and 902 more problems"), "{}", told.out);
    assert!(told.err.contains("1002 mistakes in the catalog files"), "{}", told.err);
    let report = alone(&["validate", "--json", &files.path()]).json();
    assert_eq!((report["problems"].as_array().map(Vec::len), &report["problems_omitted"]), (Some(100), &902.into()));
}

#[test]
fn file_may_end_with_a_document_marker() {
    let files = Files::new(&[("acme.yaml", &format!("---\n{}---\n", entry("acme", "Sells.")))]);
    assert_eq!(alone(&["validate", &files.path()]).code, Some(0));
}

#[tokio::test]
async fn of_a_file_with_mistakes_nothing_is_imported_nor_of_those_beside_it() {
    let world = World::start().await;
    let before = world.catalog_rows().await;
    let good = Files::new(&[("acme.yaml", &entry("acme", "Sells."))]);
    let told = run(&world, &["import", &good.path(), EVERY_MISTAKE]).await.refused();
    assert!(told.contains("nothing is imported") && told.contains(":2: /name must match"), "{told}");
    assert_eq!(world.catalog_rows().await, before);
    let told = run(&world, &["import", "--json", &good.path(), EVERY_MISTAKE]).await;
    assert_eq!(told.code, Some(1));
    assert!(told.json()["problems"].as_array().expect("a list").len() > 40);
    assert_eq!(world.catalog_rows().await, before);
    assert_eq!(row(&world, "acme").await, None);
}

#[test]
fn the_builtin_set_is_free_of_mistakes_as_compiled_in_and_as_files() {
    assert_eq!(alone(&["validate"]).ok().lines().filter(|line| !line.starts_with("warning")).count(), 0);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalog");
    let told = alone(&["validate", "--builtin", "--json", folder]).done();
    assert_eq!(told["entries"], patchbay::catalog::builtin().expect("catalog").len());
    assert_eq!(told["problems"], Value::Array(Vec::new()));
}

#[test]
fn a_fault_of_the_syntax_is_told_with_line_and_column_and_the_other_files_are_still_read() {
    let files = Files::new(&[
        ("a.json", "{\n  \"name\": \"a\",\n  \"x\" 1\n}"),
        ("b.yaml", "name: b\n\tx: 1\n"),
        ("c.yml", "name: c\nname: c\n"),
        ("d.json", "name: d\n"),
        ("e.yaml", "colour: red\n"),
        ("f.json", ""),
    ]);
    let told = alone(&["validate", &files.path()]);
    assert_eq!(told.code, Some(1));
    let lines: Vec<_> = told.out.lines().map(|line| line.rsplit_once("/").map_or(line, |_| line)).collect();
    for (n, part) in [
        "/a.json:3:7: is no JSON: expected `:`",
        "/b.yaml:1:7: cannot be read as YAML",
        "/c.yml:2:1: /name stands here for the second time, first in line 1: keep one",
        "/d.json:1:2: is no JSON",
        "/e.yaml:1: /auth is missing",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines.iter().any(|line| line.contains(part)), "{n} {part} not in\n{}", told.out);
    }
    assert!(told.out.contains("/e.yaml:1: /colour is not a key") && told.out.contains("/f.json:1:"), "{}", told.out);
}

#[test]
fn what_is_no_catalog_file_at_all_is_refused_with_the_cure() {
    let files = Files::new(&[("notes.txt", "x"), ("huge.yaml", &format!("name: {}", "x".repeat(5 << 20)))]);
    files.write("latin.yaml", b"name: a\ndisplay_name: caf\xe9\n");
    let empty = tempfile::tempdir().expect("folder");
    let endless = files.0.path().join("endless.yaml");
    symlink("/dev/zero", &endless).expect("linked");
    for (path, part) in [
        (text(&files.0.path().join("absent.json")), "cannot be read"),
        (text(&files.0.path().join("notes.txt")), "must end in .json"),
        (text(&files.0.path().join("huge.yaml")), "larger than 4 MiB"),
        (text(&files.0.path().join("latin.yaml")), "not UTF-8 in line 2"),
        (text(&endless), "larger than 4 MiB"),
        (text(empty.path()), "holds no .json"),
    ] {
        let told = alone(&["validate", &path]);
        assert_eq!(told.code, Some(1), "{path}");
        assert!(told.out.starts_with(&path) && told.out.contains(part), "{path}: {}", told.out);
    }
}

#[test]
fn bombs_are_refused_at_once_and_controls_do_not_reach_the_terminal() {
    let deep = "- ".repeat(200_000);
    let aliases = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    let steering = format!("{}\"\\e[2J\": 1\n", entry("acme", "Sells."));
    let files = Files::new(&[("a.yaml", &deep), ("b.yaml", aliases), ("c.yaml", &steering)]);
    let begun = std::time::Instant::now();
    let told = alone(&["validate", &files.path()]);
    assert!(begun.elapsed().as_secs() < 20);
    for part in ["nested deeper", "alias", "character that keys lack"] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(!told.out.contains('\u{1b}'), "{}", told.out);
}

#[test]
fn warnings_are_told_and_do_not_fail() {
    let files = Files::new(&[("stripe.yaml", &entry("stripe", "Edited."))]);
    let told = alone(&["validate", &files.path()]).ok();
    assert!(told.starts_with("warning: ") && told.contains("stripe is a built-in entry"), "{told}");
    let old = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/catalog/stripe.json")).expect("entry");
    let mut old: Value = serde_json::from_str(&old).expect("JSON");
    old["checked_on"] = "2020-01-01".into();
    let files = Files::new(&[("stripe.json", &old.to_string())]);
    let told = alone(&["validate", "--builtin", &files.path()]).ok();
    assert!(told.starts_with("warning: ") && told.contains("/checked_on is more than"), "{told}");
}

#[test]
fn the_schema_that_is_printed_is_the_one_that_is_published() {
    let published = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/catalog/schema/entry.json"));
    assert_eq!(alone(&["schema"]).ok(), published.expect("schema"));
}
