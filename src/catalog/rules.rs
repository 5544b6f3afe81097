//! What makes an entry unfit beyond its shape: one sentence per mistake, which names the cure.

use std::collections::BTreeSet;

use chrono::{Months, NaiveDate};
use serde_json::Value;

use super::file::{EntryFile, Field};
use super::pattern::{self, MAX_PATTERNS, MatchBudget, field_validator};
use super::template::{self, MAX_RESOLVED_BYTES, TemplateError};
use super::{Problem, Set, schema};
use crate::domain::field::broken_header_rule;
use crate::domain::{FieldKind, Part, Problems};

/// Fragments of live credentials' prefixes that no example may contain.
const LIVE: [&str; 6] = ["sk_live_", "rk_live_", "AKIA", "ghp_", "xoxb-1", "xoxp-1"];
/// Facts that were not checked for so long are to be checked again.
const STALE_MONTHS: u32 = 18;
/// The maximum number of params and secrets of an entry together.
const MAX_FIELDS: usize = 64;
/// Headers that frame or route a request (RFC 9110, sections 7.2, 7.6.1 and 10.1.1; RFC 9112, section 6): they belong to
/// the client that sends it.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Where providers publish code; an organization of a provider's is its own.
const CODE_HOSTS: [&str; 3] = ["github.com", "raw.githubusercontent.com", "gitlab.com"];

/// The mistakes of an entry whose shape is right; what the shape lacks is left out.
pub(super) fn check(file: &EntryFile, set: Set, today: NaiveDate) -> Problems<Problem> {
    let mut found = Found(Problems::default());
    if set == Set::Builtin {
        bookkeeping(file, today, &mut found);
        helpfulness(file, &mut found);
    }
    auth(file, &mut found);
    if has_bounded_fields(file, &mut found) {
        let mut budget = MatchBudget::new();
        for part in [Part::Params, Part::Secrets] {
            fields(file, part, &mut budget, &mut found);
        }
    }
    orders(file, &mut found);
    http(file, &mut found);
    found.0
}

/// What is right today and should be looked at: facts that were checked long ago.
pub(super) fn warnings(file: &EntryFile, today: NaiveDate) -> Vec<Problem> {
    let fresh_until = file.checked_on.and_then(|day| day.checked_add_months(Months::new(STALE_MONTHS)));
    let message = format!("is more than {STALE_MONTHS} months ago: check the sources again");
    let stale = fresh_until.filter(|until| *until < today);
    stale.map(|_| Problem { pointer: "/checked_on".into(), message }).into_iter().collect()
}

struct Found(Problems<Problem>);

impl Found {
    fn unless(&mut self, holds: bool, pointer: impl Into<String>, sentence: impl FnOnce() -> String) {
        if !holds {
            self.0.push_with(|| Problem { pointer: pointer.into(), message: sentence() });
        }
    }
}

/// What the built-in set owes to whoever relies on it.
fn bookkeeping(file: &EntryFile, today: NaiveDate, found: &mut Found) {
    for (key, value) in [("homepage_url", &file.homepage_url), ("docs_url", &file.docs_url)] {
        found.unless(value.is_some(), format!("/{key}"), || "is missing: name the provider's page".into());
    }
    found.unless(file.revision >= 1, "/revision", || "is missing: start with 1, and add 1 with every change".into());
    match file.checked_on {
        None => found.unless(false, "/checked_on", || "is missing: give the day the facts were checked".into()),
        Some(day) => found.unless(day <= today, "/checked_on", || format!("{day} is in the future")),
    }
    found.unless(!file.sources.is_empty(), "/sources", || "is missing: name the provider's page for each fact".into());
    for (at, source) in file.sources.iter().enumerate().filter(|(_, source)| !source.url.is_empty()) {
        found.unless(is_own_site(file, &source.url), format!("/sources/{at}/url"), || {
            let host = host_of(&source.url);
            format!("{host} is no site of the provider's that the entry names: read the fact there, or add the site to sites")
        });
    }
}

fn helpfulness(file: &EntryFile, found: &mut Found) {
    for (part, fields) in [("params", &file.params), ("secrets", &file.secrets)] {
        for (at, field) in fields.iter().enumerate() {
            found.unless(field.help.is_some(), format!("/{part}/{at}/help"), || {
                "is missing: say where a person finds the value".into()
            });
            found.unless(field.example.is_some(), format!("/{part}/{at}/example"), || {
                "is missing: give a value that is plainly fake".into()
            });
        }
    }
}

fn auth(file: &EntryFile, found: &mut Found) {
    let known: BTreeSet<_> = file.params.iter().chain(&file.secrets).map(|field| field.name.as_str()).collect();
    for (option_at, option) in file.auth.iter().enumerate() {
        for (at, placement) in option.placements.iter().enumerate() {
            let at = format!("/auth/{option_at}/placements/{at}");
            if let Some(field) = &placement.field {
                found.unless(known.contains(field.as_str()), format!("{at}/field"), || {
                    format!("{field} is neither a param nor a secret of this entry: correct the name, or add the field")
                });
            }
            let named = match placement.place.as_str() {
                "header" => placement.header_name.is_some(),
                "query" => placement.query_name.is_some(),
                "body" => placement.body_name.is_some(),
                _ => true,
            };
            found.unless(named, format!("{at}/{}_name", placement.place), || {
                format!("is missing: say which one of the {}", placement.place)
            });
            let header = placement.header_name.as_deref().unwrap_or_default().to_ascii_lowercase();
            let is_framing = FRAMING.contains(&header.as_str()) || header.starts_with("proxy-");
            found.unless(!is_framing, format!("{at}/header_name"), || {
                "frames or routes the request, which its sender does: name a header of the provider".into()
            });
        }
    }
}

/// Whether the entry keeps the limits on its fields, which bound the work of checking them.
fn has_bounded_fields(file: &EntryFile, found: &mut Found) -> bool {
    let count = file.params.len() + file.secrets.len();
    let patterns = file.params.iter().chain(&file.secrets).filter(|field| field.pattern.is_some()).count();
    let at = if file.params.is_empty() { "/secrets" } else { "/params" };
    found.unless(count <= MAX_FIELDS, at, || {
        format!("makes {count} fields with the other part: an entry has at most {MAX_FIELDS} params and secrets")
    });
    found.unless(patterns <= MAX_PATTERNS, at, || {
        format!("makes {patterns} patterns with the other part: an entry has at most {MAX_PATTERNS}")
    });
    count <= MAX_FIELDS && patterns <= MAX_PATTERNS
}

fn fields(file: &EntryFile, part: Part, budget: &mut MatchBudget, found: &mut Found) {
    let (own, other) = match part {
        Part::Params => (&file.params, &file.secrets),
        Part::Secrets => (&file.secrets, &file.params),
    };
    let schema = schema::of(file, part);
    let mut seen = BTreeSet::new();
    for (at, field) in own.iter().enumerate().filter(|(_, field)| !field.name.is_empty()) {
        let at = format!("/{}/{at}", part.as_str());
        found.unless(seen.insert(field.name.as_str()), format!("{at}/name"), || {
            format!("{} stands twice: give each field a name of its own", field.name)
        });
        found.unless(part == Part::Params || other.iter().all(|f| f.name != field.name), format!("{at}/name"), || {
            format!("{} stands in params and in secrets: keep it in one of them", field.name)
        });
        let may_be_plain = part == Part::Secrets || field.plain_because.is_some() || !sounds_secret(&field.name);
        found.unless(may_be_plain, format!("{at}/name"), || {
            format!(
                "{} sounds like a secret: move it to secrets, or say in plain_because why everybody may see it",
                field.name
            )
        });
        shape(field, &at, found);
        if let Some(header) = file.header_of(&field.name) {
            header_values(field, &header, &at, found);
        }
        if field.kind != FieldKind::Enum || !field.choices.is_empty() {
            values(field, &at, &schema["properties"][&field.name], budget, found);
        }
    }
}

/// Refuses in a default or example what a supplied value must not hold either.
fn header_values(field: &Field, header: &str, at: &str, found: &mut Found) {
    for (key, value) in [("example", &field.example), ("default", &field.default)] {
        if let Some(rule) = value.as_ref().and_then(|value| broken_header_rule(header, value)) {
            found.unless(false, format!("{at}/{key}"), || rule);
        }
    }
}

fn shape(field: &Field, at: &str, found: &mut Found) {
    let is_enum = field.kind == FieldKind::Enum;
    found.unless(!is_enum || !field.choices.is_empty(), format!("{at}/enum"), || {
        "is missing: a field of type enum lists what may be chosen".into()
    });
    found.unless(is_enum || field.choices.is_empty(), format!("{at}/enum"), || {
        "goes with type enum alone: change the type, or take it out".into()
    });
}

/// Compiles the rules of a field, and checks its example and default with them.
fn values(field: &Field, at: &str, property: &Value, budget: &mut MatchBudget, found: &mut Found) {
    if let Some(fault) = field.pattern.as_deref().and_then(pattern::fault) {
        return found.unless(false, format!("{at}/pattern"), || fault);
    }
    let Ok(validator) = field_validator(property) else {
        return found.unless(false, format!("{at}/pattern"), || {
            "is too large once compiled, or cannot be matched in linear time: repeat less, and take out look-arounds \
             and back-references"
                .into()
        });
    };
    for (key, value) in [("example", &field.example), ("default", &field.default)] {
        let Some(value) = value else { continue };
        if budget.spend(field.pattern.as_deref(), value) {
            found.unless(validator.is_valid(value), format!("{at}/{key}"), || {
                "breaks the field's own type, format, pattern or enum: correct the one or the other".into()
            });
        } else {
            found.unless(false, format!("{at}/{key}"), || {
                "takes too much work to match with its pattern: shorten it, or repeat less in the pattern".into()
            });
        }
    }
    let text = field.example.as_ref().and_then(Value::as_str).unwrap_or_default();
    found.unless(!LIVE.iter().any(|live| text.contains(live)), format!("{at}/example"), || {
        "looks like a live credential: take one that is plainly fake".into()
    });
}

fn orders(file: &EntryFile, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for (part, fields) in [("params", &file.params), ("secrets", &file.secrets)] {
        for (at, field) in fields.iter().enumerate() {
            found.unless(field.order.is_none_or(|order| seen.insert(order)), format!("/{part}/{at}/order"), || {
                "is another field's order: number params and secrets through".into()
            });
        }
    }
}

fn http(file: &EntryFile, found: &mut Found) {
    let Some(http) = &file.http else { return };
    let placements = file.auth.iter().flat_map(|option| &option.placements);
    let in_path: BTreeSet<_> = placements.filter(|p| p.place == "path").filter_map(|p| p.field.as_deref()).collect();
    let is_param = |name: &str| file.params.iter().any(|field| field.name == name);
    let mut is_resolved = true;
    let templates = [("/http/base_url", &http.base_url), ("/http/verify/path", &http.verify.path)];
    for (pointer, template) in templates {
        for variable in template::variables(template) {
            let may = is_param(variable) || (pointer == "/http/verify/path" && in_path.contains(variable));
            is_resolved &= may;
            found.unless(may, pointer, || {
                format!("{variable} in braces is not a param: a secret may stand in a path alone, and only with a placement in path")
            });
        }
    }
    let path = &http.verify.path;
    found.unless(path.is_empty() || (path.starts_with('/') && !path.starts_with("//")), "/http/verify/path", || {
        "must start with one /".into()
    });
    found.unless(!path.contains(char::is_whitespace), "/http/verify/path", || {
        "must not contain a blank: write %20 for one".into()
    });
    for (at, host) in http.allowed_hosts.iter().enumerate() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*' | '{' | '}' | ':');
        found.unless(host.chars().all(is_part), format!("/http/allowed_hosts/{at}"), || {
            "must be a host name, with *. before it or {param} in it, and a port if it has one".into()
        });
    }
    // The shape check empties a host that it refuses.
    let has_hosts = !http.allowed_hosts.is_empty() && http.allowed_hosts.iter().all(|host| !host.is_empty());
    if !is_resolved || http.base_url.is_empty() || !has_hosts {
        return;
    }
    let resolved = match template::resolve(&http.base_url, file) {
        Ok(resolved) => resolved,
        Err(TemplateError::NoValue) => return,
        Err(TemplateError::TooLong) => {
            return found.unless(false, "/http/base_url", || {
                format!(
                    "resolves to more than {MAX_RESOLVED_BYTES} bytes with the examples: shorten it, or the examples"
                )
            });
        }
    };
    // The resolved text is not quoted: a message keeps its length whatever the examples hold.
    found.unless(resolved.starts_with("https://"), "/http/base_url", || {
        "must start with https:// once the examples replace its variables".into()
    });
    let has_plain_host = !host_of(&resolved).is_empty() && !authority_of(&resolved).contains(['@', '\\']);
    found.unless(has_plain_host, "/http/base_url", || {
        "must name a host, without user name, password and backslash before it".into()
    });
    found.unless(
        !has_plain_host || host_is_allowed(&resolved, &http.allowed_hosts, file),
        "/http/allowed_hosts",
        || "lacks the host of base_url with the examples in it: add the host, or correct base_url".into(),
    );
}

fn host_is_allowed(url: &str, allowed: &[String], file: &EntryFile) -> bool {
    let host = host_of(url);
    allowed.iter().any(|pattern| {
        let Ok(pattern) = template::resolve(pattern, file) else { return false };
        let pattern = if pattern.contains("://") { host_of(&pattern).to_owned() } else { pattern };
        match pattern.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
            None => host == pattern.split(['/', ':']).next().unwrap_or_default(),
        }
    })
}

/// Whether a page lies on a site that the entry itself names, or in public code.
fn is_own_site(file: &EntryFile, url: &str) -> bool {
    let host = host_of(url).to_lowercase();
    let named = [&file.homepage_url, &file.docs_url, &file.credentials_url].into_iter().flatten();
    let named = named.map(|url| domain_of(host_of(url)).to_owned());
    let hosts = file.http.iter().flat_map(|http| &http.allowed_hosts).map(|host| domain_of(host).to_owned());
    let mut own = named.chain(hosts).chain(file.sites.iter().cloned());
    CODE_HOSTS.contains(&&*host) || own.any(|domain| host == domain || host.ends_with(&format!(".{domain}")))
}

/// Everything between the scheme and the path: host, port, and what may precede them.
fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn host_of(url: &str) -> &str {
    authority_of(url).split(':').next().unwrap_or_default()
}

/// The last two labels; with a short one before the last, as in `co.uk`, the last three.
fn domain_of(host: &str) -> &str {
    let dots: Vec<_> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    let labels = match (dots.first(), dots.get(1)) {
        (Some(last), Some(second)) if last - second <= 4 && host.len() - last <= 3 => 3,
        _ => 2,
    };
    dots.get(labels - 1).map_or(host, |at| &host[at + 1..])
}

fn sounds_secret(name: &str) -> bool {
    name.ends_with("_secret") || name.ends_with("_token") || name == "password" || name == "api_key"
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog;

    fn good() -> Value {
        json!({
            "name": "acme", "display_name": "Acme", "description": "Sells anvils.", "category": "commerce",
            "tags": ["anvils"], "homepage_url": "https://acme.example", "docs_url": "https://acme.example/api",
            "revision": 1, "checked_on": "2026-11-24",
            "sources": [{"fact": "authentication", "url": "https://docs.acme.example/api"}],
            "auth": [{"kind": "bearer", "placements": [
                {"in": "header", "header_name": "Authorization", "prefix": "Bearer ", "field": "api_key"}]}],
            "params": [{"name": "shop", "label": "Shop", "help": "Its name.", "type": "string", "pattern": "^[a-z]+$",
                        "example": "one", "order": 1}],
            "secrets": [{"name": "api_key", "label": "API key", "help": "On its page.", "type": "string",
                         "example": "fake", "required": true, "order": 2}],
            "http": {"base_url": "https://{shop}.acme.example", "allowed_hosts": ["*.acme.example"],
                     "verify": {"method": "GET", "path": "/me", "expect_status": 200}}
        })
    }

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 24).expect("a date")
    }

    fn found_in(set: Set, change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
        let mut value = good();
        change(&mut value);
        let problems = catalog::check(&value, set, today()).problems;
        problems.listed().iter().cloned().map(|problem| (problem.pointer, problem.message)).collect()
    }

    #[test]
    fn a_good_entry_has_no_problems() {
        assert_eq!(found_in(Set::Builtin, |_| {}), []);
    }

    #[test]
    fn an_entry_of_somebodys_own_owes_no_sources() {
        let bare = json!({"name": "acme", "display_name": "Acme", "description": "Sells.", "category": "commerce",
                          "auth": [{"kind": "none"}]});
        assert_eq!(found_in(Set::Custom, |value| *value = bare.clone()), []);
        let owed: Vec<_> = found_in(Set::Builtin, |value| *value = bare).into_iter().map(|(at, _)| at).collect();
        assert_eq!(owed, ["/homepage_url", "/docs_url", "/revision", "/checked_on", "/sources"]);
    }

    #[test]
    fn each_mistake_is_one_sentence_at_its_place() {
        type Change = fn(&mut Value);
        let cases: [(&str, &str, Change); 65] = [
            ("/name", "must match", |v| v["name"] = json!("Acme")),
            ("/params/0/label", "must not contain U+0000", |v| v["params"][0]["label"] = json!("a\0b")),
            ("/display_name", "must not be empty", |v| v["display_name"] = json!("")),
            ("/description", "at most 160 characters", |v| v["description"] = json!("x".repeat(161))),
            ("/description", "is missing", |v| drop(v.as_object_mut().map(|o| o.remove("description")))),
            ("/category", "must be one of accounting", |v| v["category"] = json!("games")),
            ("/tags/0", "must match", |v| v["tags"] = json!(["Anvils"])),
            ("/tags", "the same twice", |v| v["tags"] = json!(["a", "a"])),
            ("/homepage_url", "must match ^https://", |v| v["homepage_url"] = json!("http://acme.example")),
            ("/docs_url", "is missing", |v| drop(v.as_object_mut().map(|o| o.remove("docs_url")))),
            ("/revision", "at least 1", |v| v["revision"] = json!(0)),
            ("/checked_on", "in the future", |v| v["checked_on"] = json!("2026-11-25")),
            ("/checked_on", "must be a date", |v| v["checked_on"] = json!("yesterday")),
            ("/sources", "must not be an empty list", |v| v["sources"] = json!([])),
            ("/sources/0/url", "no site of the provider's", |v| {
                v["sources"][0]["url"] = json!("https://blog.example/x")
            }),
            ("/colour", "is not a key", |v| v["colour"] = json!("red")),
            ("/auth", "must not be an empty list", |v| v["auth"] = json!([])),
            ("/auth/0/kind", "must be one of api_key", |v| v["auth"][0]["kind"] = json!("magic")),
            ("/auth/0/placements/0/in", "must be one of header", |v| {
                v["auth"][0]["placements"][0]["in"] = json!("smoke")
            }),
            ("/auth/0/placements/0/field", "neither a param", |v| {
                v["auth"][0]["placements"][0]["field"] = json!("nope")
            }),
            ("/auth/0/placements/0/header_name", "is missing", |v| {
                drop(v["auth"][0]["placements"][0].as_object_mut().map(|o| o.remove("header_name")))
            }),
            ("/auth/0/placements/0", "either field or value", |v| v["auth"][0]["placements"][0]["value"] = json!("x")),
            ("/params/0/name", "sounds like a secret", |v| {
                v["params"][0]["name"] = json!("access_token");
                v["http"]["base_url"] = json!("https://one.acme.example");
            }),
            ("/secrets/0/name", "in params and in secrets", |v| {
                v["params"][0]["name"] = json!("api_key");
                v["params"][0]["plain_because"] = json!("a test");
                v["http"]["base_url"] = json!("https://one.acme.example");
            }),
            ("/params/1/name", "stands twice", |v| {
                let mut twin = v["params"][0].clone();
                twin["order"] = json!(3);
                v["params"].as_array_mut().expect("a list").push(twin);
            }),
            ("/params/0/type", "must be one of string", |v| v["params"][0]["type"] = json!("float")),
            ("/params/0/format", "must be one of hostname", |v| v["params"][0]["format"] = json!("ipv4")),
            ("/params/0/help", "is missing", |v| drop(v["params"][0].as_object_mut().map(|o| o.remove("help")))),
            ("/params/0/example", "is missing", |v| drop(v["params"][0].as_object_mut().map(|o| o.remove("example")))),
            ("/params/0/example", "own type", |v| v["params"][0]["example"] = json!("ONE")),
            ("/params/0/default", "own type", |v| v["params"][0]["default"] = json!(1)),
            ("/params/0/pattern", "must start with ^", |v| v["params"][0]["pattern"] = json!("[a-z]+")),
            ("/params/0/pattern", "linear time", |v| v["params"][0]["pattern"] = json!("^(?=one)")),
            ("/params/0/enum", "with type enum alone", |v| v["params"][0]["enum"] = json!(["one"])),
            ("/params/0/enum", "is missing", |v| v["params"][0]["type"] = json!("enum")),
            ("/secrets/0/order", "another field's", |v| v["secrets"][0]["order"] = json!(1)),
            ("/secrets/0/example", "live credential", |v| {
                v["secrets"][0]["example"] = json!(["sk", "live", "1"].join("_"))
            }),
            ("/secrets/0/applies_to/0", "must be one of", |v| v["secrets"][0]["applies_to"] = json!(["magic"])),
            ("/http/base_url", "not a param", |v| v["http"]["base_url"] = json!("https://one.acme.example/{api_key}")),
            ("/http/base_url", "must start with https", |v| v["http"]["base_url"] = json!("http://one.acme.example")),
            ("/http/verify/path", "not a param", |v| v["http"]["verify"]["path"] = json!("/{stranger}")),
            ("/http/verify/path", "a blank", |v| v["http"]["verify"]["path"] = json!("/a HTTP/1.1")),
            ("/http/allowed_hosts/1", "a host name", |v| {
                v["http"]["allowed_hosts"] = json!(["*.acme.example", "B C:80/@"])
            }),
            ("/auth/0/placements/0/header_name", "frames or routes", |v| {
                v["auth"][0]["placements"][0]["header_name"] = json!("Transfer-Encoding")
            }),
            ("/auth/0/placements/0/header_name", "frames or routes", |v| {
                v["auth"][0]["placements"][0]["header_name"] = json!("Proxy-Authorization")
            }),
            ("/secrets/0/example", "U+000D", |v| v["secrets"][0]["example"] = json!("a\r\nX-Evil: 1")),
            ("/secrets/0/example", "the header Authorization", |v| {
                v["secrets"][0]["multiline"] = json!(true);
                v["secrets"][0]["example"] = json!("a\r\nX-Evil: 1");
            }),
            ("/params/0/default", "U+000A", |v| v["params"][0]["default"] = json!("one\n")),
            ("/http/allowed_hosts", "lacks the host", |v| v["http"]["allowed_hosts"] = json!(["other.example"])),
            ("/params/0/pattern", "uses (?i, which ECMA-262", |v| v["params"][0]["pattern"] = json!("^(?i)one$")),
            ("/params/0/pattern", "at most 1000", |v| v["params"][0]["pattern"] = json!("^(?:.{100}){50}$")),
            ("/params/0/pattern", "too large once compiled", |v| {
                v["params"][0]["pattern"] = json!("^\\p{L}{150}[a-z]{2}(?:x|y)z*$")
            }),
            ("/params", "at most 16", |v| {
                let field = |n| {
                    json!({"name": format!("f{n}"), "label": "L", "help": "H", "type": "string",
                                       "pattern": "^[a-z]+$", "example": "a"})
                };
                let mut params: Vec<_> = (0..16).map(field).collect();
                params.push(v["params"][0].clone());
                v["params"] = json!(params);
            }),
            ("/params", "at most 64 params and secrets", |v| {
                let field =
                    |n| json!({"name": format!("f{n}"), "label": "L", "help": "H", "type": "string", "example": "a"});
                let mut params: Vec<_> = (0..63).map(field).collect();
                params.push(v["params"][0].clone());
                v["params"] = json!(params);
            }),
            ("/params", "at most 64 items", |v| {
                v["params"] = json!(vec![v["params"][0].clone(); 65]);
                v["http"]["base_url"] = json!("https://one.acme.example");
            }),
            ("/display_name", "must not be blank", |v| v["display_name"] = json!("\u{a0} ")),
            ("/display_name", "U+202E", |v| v["display_name"] = json!("a\u{202e}b")),
            ("/params/0/help", "U+200B", |v| v["params"][0]["help"] = json!("a\u{200b}b")),
            ("/auth/0/placements/0/header_name", "must match", |v| {
                v["auth"][0]["placements"][0]["header_name"] = json!("X-Key: 1")
            }),
            ("/auth/0/placements/0/prefix", "U+000D", |v| {
                v["auth"][0]["placements"][0]["prefix"] = json!("Bearer\r\nX-Admin: 1\r\n")
            }),
            ("/docs_url", "must match ^https://", |v| v["docs_url"] = json!("https://")),
            ("/credentials_url", "must match ^https://", |v| v["credentials_url"] = json!("https://u:p@acme.example/")),
            ("/http/base_url", "must name a host", |v| v["http"]["base_url"] = json!("https:///x")),
            ("/http/base_url", "must name a host", |v| {
                v["http"]["base_url"] = json!("https://one.acme.example:x@evil.example")
            }),
            ("/http/verify", "is missing", |v| drop(v["http"].as_object_mut().map(|o| o.remove("verify")))),
        ];
        for (pointer, expected, change) in cases {
            let found = found_in(Set::Builtin, change);
            let [(at, sentence)] = &found[..] else { panic!("one for {pointer} ({expected}): {found:?}") };
            assert!(at == pointer && sentence.contains(expected), "{pointer} {expected}: {found:?}");
        }
    }

    #[test]
    fn mistakes_at_several_places_are_all_told_at_once() {
        let found = found_in(Set::Builtin, |v| {
            v["name"] = json!(7);
            v["params"][0]["label"] = json!(null);
            v["params"][0]["example"] = json!("ONE");
            v["http"]["allowed_hosts"] = json!(["other.example"]);
        });
        let places: Vec<_> = found.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(places, ["/name", "/params/0/label", "/params/0/example", "/http/allowed_hosts"]);
    }

    #[test]
    fn a_plain_field_that_sounds_secret_needs_a_reason() {
        let reason = |v: &mut Value| {
            v["params"][0]["name"] = json!("site_token");
            v["params"][0]["plain_because"] = json!("It stands in every page of the site.");
            v["http"]["base_url"] = json!("https://one.acme.example");
        };
        assert_eq!(found_in(Set::Builtin, reason), []);
    }

    #[test]
    fn facts_checked_long_ago_are_a_warning() {
        let warned = |day: &str| {
            let mut value = good();
            value["checked_on"] = json!(day);
            catalog::check(&value, Set::Builtin, today()).warnings.len()
        };
        assert_eq!((warned("2025-05-23"), warned("2025-05-24")), (1, 0));
    }
}
