//! What makes an entry unfit, one sentence per mistake, each naming the culprit and the cure.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use jsonschema::PatternOptions;

use super::file::{EntryFile, Field, FieldKind};
use super::schema;
use crate::domain::entry::{AuthKind, CATEGORIES, Part};

const DESCRIPTION_MAX: usize = 160;
const PATTERN_MAX: usize = 200;
const PLACES: [&str; 6] = ["header", "query", "basic_user", "basic_password", "body", "path"];
const FORMATS: [&str; 4] = ["hostname", "uri", "email", "uuid"];
/// Fragments of live credentials' prefixes that no example may contain.
const LIVE: [&str; 3] = ["sk_live_", "rk_live_", "AKIA"];

/// All mistakes of an entry; empty for a good one.
pub fn problems(file: &EntryFile, today: NaiveDate) -> Vec<String> {
    let mut found = Found { name: &file.name, sentences: Vec::new() };
    identity(file, &mut found);
    bookkeeping(file, today, &mut found);
    auth(file, &mut found);
    for part in [Part::Params, Part::Secrets] {
        fields(file, part, &mut found);
    }
    http(file, &mut found);
    found.sentences
}

struct Found<'a> {
    name: &'a str,
    sentences: Vec<String>,
}

impl Found<'_> {
    fn unless(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.sentences.push(format!("{}: {}", self.name, sentence()));
        }
    }
}

fn identity(file: &EntryFile, found: &mut Found<'_>) {
    found.unless(is_snake(&file.name, 63), || "name must match ^[a-z][a-z0-9_]{0,62}$".into());
    found.unless(!file.display_name.trim().is_empty(), || "display_name is empty".into());
    let length = file.description.chars().count();
    found.unless((1..=DESCRIPTION_MAX).contains(&length), || {
        format!("description has {length} characters: write one sentence of at most {DESCRIPTION_MAX}")
    });
    found.unless(CATEGORIES.contains(&file.category.as_str()), || {
        format!("category {} is not one of {}", file.category, CATEGORIES.join(", "))
    });
    for tag in &file.tags {
        found.unless(
            tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !tag.is_empty(),
            || format!("tag {tag} must be lower-case letters, digits and hyphens"),
        );
    }
    for (key, url) in [("homepage_url", &file.homepage_url), ("docs_url", &file.docs_url)] {
        found.unless(url.starts_with("https://"), || format!("{key} must start with https://"));
    }
}

fn bookkeeping(file: &EntryFile, today: NaiveDate, found: &mut Found<'_>) {
    found.unless(file.revision >= 1, || "revision starts at 1".into());
    found.unless(file.checked_on <= today, || format!("checked_on {} is in the future", file.checked_on));
    found.unless(!file.sources.is_empty(), || "sources is empty: name the provider's page for each fact".into());
    for source in &file.sources {
        found.unless(source.url.starts_with("https://") && !source.fact.is_empty(), || {
            format!("source {} needs a fact and an https:// URL", source.url)
        });
    }
}

fn auth(file: &EntryFile, found: &mut Found<'_>) {
    found.unless(!file.auth.is_empty(), || "auth is empty: use kind none for a public API".into());
    let known: BTreeSet<_> = file.params.iter().chain(&file.secrets).map(|f| f.name.as_str()).collect();
    for option in &file.auth {
        found.unless(is_auth_kind(&option.kind), || format!("auth kind {} is unknown", option.kind));
        for placement in &option.placements {
            let place = placement.place.as_str();
            found.unless(PLACES.contains(&place), || {
                format!("placement in {place} is not one of {}", PLACES.join(", "))
            });
            found.unless(placement.field.is_some() != placement.value.is_some(), || {
                format!("placement in {place} needs either field or value")
            });
            if let Some(field) = &placement.field {
                found.unless(known.contains(field.as_str()), || format!("placement names the unknown field {field}"));
            }
            let named = match place {
                "header" => placement.header_name.is_some(),
                "query" => placement.query_name.is_some(),
                "body" => placement.body_name.is_some(),
                _ => true,
            };
            found.unless(named, || format!("placement in {place} needs {place}_name"));
        }
    }
}

fn fields(file: &EntryFile, part: Part, found: &mut Found<'_>) {
    let other: BTreeSet<_> = match part {
        Part::Params => file.secrets.iter().map(|f| f.name.as_str()).collect(),
        Part::Secrets => file.params.iter().map(|f| f.name.as_str()).collect(),
    };
    let schema = schema::of(file, part);
    let mut seen = BTreeSet::new();
    for field in file.fields(part) {
        let at = format!("{}.{}", part.as_str(), field.name);
        found.unless(is_snake(&field.name, 63), || format!("{at} must be snake_case"));
        found.unless(seen.insert(field.name.as_str()), || format!("{at} stands twice"));
        found.unless(!other.contains(field.name.as_str()), || format!("{at} stands in params and in secrets"));
        found.unless(part == Part::Secrets || !sounds_secret(&field.name), || {
            format!("{at} sounds like a secret: move it to secrets")
        });
        found.unless(field.applies_to.iter().all(|kind| is_auth_kind(kind)), || {
            format!("{at} applies to an unknown auth kind")
        });
        shape(field, &at, found);
        values(field, &at, &schema, found);
    }
}

fn shape(field: &Field, at: &str, found: &mut Found<'_>) {
    found.unless((field.kind == FieldKind::Enum) != field.choices.is_empty(), || {
        format!("{at}: enum goes with type enum, and only there")
    });
    if let Some(format) = &field.format {
        found.unless(FORMATS.contains(&format.as_str()), || {
            format!("{at}: format {format} is not one of {}", FORMATS.join(", "))
        });
    }
    if let Some(pattern) = &field.pattern {
        found.unless(pattern.starts_with('^') && pattern.len() <= PATTERN_MAX, || {
            format!("{at}: pattern must start with ^ and be at most {PATTERN_MAX} characters long")
        });
    }
}

fn values(field: &Field, at: &str, schema: &serde_json::Value, found: &mut Found<'_>) {
    let property = &schema["properties"][&field.name];
    let options = jsonschema::options().should_validate_formats(true).with_pattern_options(PatternOptions::regex());
    let Ok(validator) = options.build(property) else {
        found.unless(false, || {
            format!("{at}: its schema is not valid; is the pattern a linear-time regular expression?")
        });
        return;
    };
    for (key, value) in [("example", &field.example), ("default", &field.default)] {
        if let Some(value) = value {
            found.unless(validator.is_valid(value), || format!("{at}: {key} breaks the field's own rules"));
        }
    }
    let text = field.example.as_ref().and_then(|example| example.as_str()).unwrap_or_default();
    found
        .unless(!LIVE.iter().any(|live| text.contains(live)), || format!("{at}: example looks like a live credential"));
}

fn http(file: &EntryFile, found: &mut Found<'_>) {
    let Some(http) = &file.http else { return };
    let in_path: BTreeSet<_> = file
        .auth
        .iter()
        .flat_map(|option| &option.placements)
        .filter(|placement| placement.place == "path")
        .filter_map(|placement| placement.field.as_deref())
        .collect();
    for (key, template) in [("base_url", &http.base_url), ("verify.path", &http.verify.path)] {
        for variable in variables(template) {
            let is_param = file.params.iter().any(|f| f.name == variable);
            found.unless(is_param || (key == "verify.path" && in_path.contains(variable)), || {
                format!("http.{key} names {variable}, which is not a param")
            });
        }
    }
    found.unless(!http.allowed_hosts.is_empty(), || {
        "http.allowed_hosts is empty: name the hosts a secret may go to".into()
    });
    found.unless(http.verify.path.starts_with('/') || http.verify.path.is_empty(), || {
        "http.verify.path must start with /".into()
    });
    found
        .unless((100..600).contains(&http.verify.expect_status), || "http.verify.expect_status is not a status".into());
    let resolved = resolve(&http.base_url, file);
    found.unless(host_is_allowed(&resolved, &http.allowed_hosts, file), || {
        format!("http.base_url resolves to {resolved}, whose host is not in allowed_hosts")
    });
}

/// The names in braces.
fn variables(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// The template with each param's example, else default, in place.
fn resolve(template: &str, file: &EntryFile) -> String {
    file.params.iter().fold(template.to_owned(), |text, field| {
        let value = field.default.as_ref().or(field.example.as_ref());
        let value = value.map_or(String::new(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        text.replace(&format!("{{{}}}", field.name), &value)
    })
}

fn host_is_allowed(url: &str, allowed: &[String], file: &EntryFile) -> bool {
    let Some(host) = url.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next()) else { return false };
    allowed.iter().any(|pattern| {
        let pattern = resolve(pattern, file);
        let pattern = pattern.strip_prefix("https://").unwrap_or(&pattern).split(['/', ':']).next().unwrap_or_default();
        match pattern.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
            None => host == pattern,
        }
    })
}

fn is_auth_kind(kind: &str) -> bool {
    AuthKind::ALL.iter().any(|(_, name)| *name == kind)
}

fn sounds_secret(name: &str) -> bool {
    name.ends_with("_secret") || name.ends_with("_token") || name == "password" || name == "api_key"
}

fn is_snake(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "name": "acme", "display_name": "Acme", "description": "Sells anvils.", "category": "commerce",
            "tags": ["anvils"], "homepage_url": "https://acme.example", "docs_url": "https://acme.example/api",
            "revision": 1, "checked_on": "2026-11-24",
            "sources": [{"fact": "authentication", "url": "https://acme.example/api"}],
            "auth": [{"kind": "bearer", "placements": [
                {"in": "header", "header_name": "Authorization", "prefix": "Bearer ", "field": "api_key"}]}],
            "params": [{"name": "shop", "label": "Shop", "type": "string", "pattern": "^[a-z]+$", "example": "one", "order": 1}],
            "secrets": [{"name": "api_key", "label": "API key", "type": "string", "example": "fake", "required": true, "order": 2}],
            "http": {"base_url": "https://{shop}.acme.example", "allowed_hosts": ["*.acme.example"],
                     "verify": {"method": "GET", "path": "/me", "expect_status": 200}}
        })
    }

    fn found_in(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut value = good();
        change(&mut value);
        let file = serde_json::from_value(value).expect("readable");
        problems(&file, NaiveDate::from_ymd_opt(2026, 11, 24).expect("date"))
    }

    #[test]
    fn a_good_entry_has_no_problems() {
        assert_eq!(found_in(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_one_sentence() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 14] = [
            ("name must match", |v| v["name"] = json!("Acme")),
            ("category games", |v| v["category"] = json!("games")),
            ("description has 161", |v| v["description"] = json!("x".repeat(161))),
            ("in the future", |v| v["checked_on"] = json!("2026-11-25")),
            ("sources is empty", |v| v["sources"] = json!([])),
            ("auth kind magic", |v| v["auth"][0]["kind"] = json!("magic")),
            ("unknown field nope", |v| v["auth"][0]["placements"][0]["field"] = json!("nope")),
            ("needs header_name", |v| v["auth"][0]["placements"][0]["header_name"] = Value::Null),
            ("example breaks", |v| v["params"][0]["example"] = json!("ONE")),
            ("sounds like a secret", |v| v["params"][0]["name"] = json!("access_token")),
            ("names stranger", |v| v["http"]["verify"]["path"] = json!("/{stranger}")),
            ("names api_key", |v| v["http"]["base_url"] = json!("https://one.acme.example/{api_key}")),
            ("not in allowed_hosts", |v| v["http"]["allowed_hosts"] = json!(["other.example"])),
            ("live credential", |v| v["secrets"][0]["example"] = json!(["sk", "live", "1"].join("_"))),
        ];
        for (expected, change) in cases {
            let found = found_in(change);
            assert!(found.iter().any(|sentence| sentence.contains(expected)), "{expected}: {found:?}");
        }
    }
}
