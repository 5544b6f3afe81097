//! Random selections on the list, written in one go, against the library's own way of resolving the same.
//!
//! Over a socket the library resolves a list itself. 256 selections, or 10,000 with `LONG_TESTS=1`.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use super::socket::Socket;
use super::{acme, install};
use crate::support::{Client, World};

/// An object type with its fields, each with the type of the objects it gives.
struct Shape {
    name: &'static str,
    fields: &'static [(&'static str, Option<&'static Shape>)],
}

static CONNECTION: Shape = Shape {
    name: "IntegrationConnection",
    fields: &[
        ("nodes", Some(&INTEGRATION)),
        ("edges", Some(&EDGE)),
        ("pageInfo", Some(&PAGE_INFO)),
        ("categoryCounts", Some(&COUNT)),
        ("statusCounts", Some(&STATUS_COUNT)),
        ("totalCount", None),
    ],
};
static EDGE: Shape = Shape { name: "IntegrationEdge", fields: &[("cursor", None), ("node", Some(&INTEGRATION))] };
static COUNT: Shape = Shape { name: "CategoryCount", fields: &[("category", None), ("count", None)] };
static STATUS_COUNT: Shape = Shape { name: "StatusCount", fields: &[("status", None), ("count", None)] };
static PAGE_INFO: Shape = Shape {
    name: "PageInfo",
    fields: &[("hasNextPage", None), ("hasPreviousPage", None), ("startCursor", None), ("endCursor", None)],
};
static FIELD: Shape = Shape {
    name: "IntegrationField",
    fields: &[
        ("name", None),
        ("part", None),
        ("secret", None),
        ("label", None),
        ("help", None),
        ("type", None),
        ("format", None),
        ("pattern", None),
        ("enum", None),
        ("default", None),
        ("example", None),
        ("required", None),
        ("order", None),
        ("multiline", None),
        ("appliesTo", None),
        ("docsUrl", None),
    ],
};
static INTEGRATION: Shape = Shape {
    name: "Integration",
    fields: &[
        ("id", None),
        ("name", None),
        ("displayName", None),
        ("description", None),
        ("category", None),
        ("tags", None),
        ("iconUrl", None),
        ("docsUrl", None),
        ("homepageUrl", None),
        ("credentialsUrl", None),
        ("authKinds", None),
        ("status", None),
        ("installedAt", None),
        ("params", None),
        ("secretNames", None),
        ("missingFields", None),
        ("paramsSchema", None),
        ("secretsSchema", None),
        ("fields", Some(&FIELD)),
        ("isCustom", None),
        ("state", None),
        ("differsFromDefault", None),
        ("createdAt", None),
        ("updatedAt", None),
    ],
};

#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    /// Looked up in [`DIRECTIVES`]; most are none.
    directive: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A field by its number, modulo the fields of the type, and what is selected below it if it has fields.
    Field {
        at: usize,
        has_alias: bool,
        below: Vec<Item>,
    },
    TypeName,
    /// Inline or by name, with or without a condition if inline.
    Fragment {
        is_named: bool,
        has_condition: bool,
        inside: Vec<Item>,
    },
    /// On the interface, where the type has one.
    OnNode,
}

const DIRECTIVES: [&str; 6] =
    ["@skip(if: $yes)", "@skip(if: $no)", "@include(if: $yes)", "@include(if: $no)", "@skip(if: true)", ""];
/// What the limits of a document leave beside what [`compare`] adds.
const DIRECTIVES_MAX: usize = 8;
const ALIASES_MAX: usize = 29;

fn items() -> impl Strategy<Value = Vec<Item>> {
    let directive = prop_oneof![1 => 0..DIRECTIVES.len(), 5 => Just(DIRECTIVES.len() - 1)];
    let field = |below: BoxedStrategy<Vec<Item>>| {
        (0..24usize, prop::bool::weighted(0.2), below).prop_map(|(at, has_alias, below)| Kind::Field {
            at,
            has_alias,
            below,
        })
    };
    let leaf = prop_oneof![6 => field(Just(Vec::new()).boxed()), 1 => Just(Kind::TypeName), 1 => Just(Kind::OnNode)];
    let leaf = (leaf, directive.clone()).prop_map(|(kind, directive)| Item { kind, directive });
    let set = prop::collection::vec(leaf, 1..5);
    set.prop_recursive(4, 40, 5, move |inner| {
        let fragment = (any::<bool>(), any::<bool>(), inner.clone())
            .prop_map(|(is_named, has_condition, inside)| Kind::Fragment { is_named, has_condition, inside });
        let kind = prop_oneof![5 => field(inner.boxed()), 2 => fragment, 1 => Just(Kind::TypeName)];
        let item = (kind, directive.clone()).prop_map(|(kind, directive)| Item { kind, directive });
        prop::collection::vec(item, 1..6)
    })
}

/// A document in the making.
#[derive(Default)]
struct Document {
    fragments: Vec<String>,
    directives: usize,
    aliases: usize,
}

impl Document {
    fn set(&mut self, items: &[Item], shape: &Shape) -> String {
        let items: Vec<_> = items.iter().map(|item| self.item(item, shape)).collect();
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, item: &Item, shape: &Shape) -> String {
        let directive = match DIRECTIVES[item.directive] {
            chosen if !chosen.is_empty() && self.directives < DIRECTIVES_MAX => {
                self.directives += 1;
                chosen
            }
            _ => "",
        };
        match &item.kind {
            Kind::TypeName => format!("__typename {directive}"),
            Kind::OnNode if shape.name == "Integration" => format!("... on Node {directive} {{ __typename id }}"),
            Kind::OnNode => format!("... {directive} {{ __typename }}"),
            Kind::Field { at, has_alias, below } => {
                let (name, inner) = shape.fields[at % shape.fields.len()];
                let has_alias = *has_alias && self.aliases < ALIASES_MAX;
                self.aliases += usize::from(has_alias);
                // One alias per field: no key stands for two fields.
                let alias = if has_alias { format!("a_{name}: ") } else { String::new() };
                let below = inner.map_or(String::new(), |inner| match below.as_slice() {
                    [] => "{ __typename }".into(),
                    below => self.set(below, inner),
                });
                format!("{alias}{name} {directive} {below}")
            }
            Kind::Fragment { is_named: false, has_condition, inside } => {
                let condition = if *has_condition { format!("on {}", shape.name) } else { String::new() };
                format!("... {condition} {directive} {}", self.set(inside, shape))
            }
            Kind::Fragment { inside, .. } => {
                let inside = self.set(inside, shape);
                let name = format!("f{}", self.fragments.len());
                self.fragments.push(format!("fragment {name} on {} {inside}", shape.name));
                format!("...{name} {directive}")
            }
        }
    }
}

#[test]
fn a_list_written_in_one_go_is_what_the_library_would_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let world = runtime.block_on(World::start());
    let acme = world.account("acme");
    runtime.block_on(async {
        // The first of the list, so that a short page has one of each.
        let supplied = json!({"params": {"text": "a\"b\\c\u{7}ø", "deep": [{"n": u64::MAX}]}, "secrets": {"z": 1}});
        let page = acme.graphql("{ integrations(first: 2) { nodes { name } } }", json!({})).await.data();
        install(&acme, page["integrations"]["nodes"][1]["name"].as_str().expect("a name"), supplied).await;
    });
    let cases = if std::env::var_os("LONG_TESTS").is_some() { 10_000 } else { 256 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let served = runtime.block_on(world.serve());
    let socket = RefCell::new(runtime.block_on(Socket::of(&served, "acme")));
    let outcome = TestRunner::new(config)
        .run(&items(), |items| runtime.block_on(compare(&acme, &mut socket.borrow_mut(), &items)));
    runtime.block_on(async { drop((socket, served, world)) });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn every_field_of_the_list_is_among_the_random_ones() {
    let (_world, acme) = acme().await;
    for shape in [&CONNECTION, &EDGE, &COUNT, &STATUS_COUNT, &PAGE_INFO, &FIELD, &INTEGRATION] {
        let query = "query($name: String!) { __type(name: $name) { fields { name } } }";
        let data = acme.graphql(query, json!({"name": shape.name})).await.data();
        let fields = data["__type"]["fields"].as_array().expect("fields").iter();
        let fields: BTreeSet<_> = fields.map(|field| field["name"].as_str().expect("a name")).collect();
        assert_eq!(fields, shape.fields.iter().map(|(name, _)| *name).collect(), "{}", shape.name);
    }
}

async fn compare(client: &Client, socket: &mut Socket, items: &[Item]) -> Result<(), TestCaseError> {
    let mut document = Document::default();
    let set = document.set(items, &CONNECTION);
    let fragments = document.fragments.join(" ");
    let fragments = format!("fragment s on IntegrationConnection {set} {fragments}");
    // A variable that is declared must be used.
    let document = |lists: &str| {
        format!(
            "query($yes: Boolean = true, $no: Boolean! = false) {{ ... @include(if: $yes) @skip(if: $no) {{ {lists} }} }} {fragments}"
        )
    };
    let ask = |lists: &str| {
        let document = document(lists);
        async move { client.graphql(&document, json!({"no": false})).await }
    };
    let first = ask("integrations(first: 3) { t: __typename ...s }").await;
    let alone = ask("integrations(first: 3) { t: __typename ...s }").await;
    let shared = ask("integrations(first: 3) { t: __typename } integrations(first: 3) { ...s }").await;
    prop_assert!(alone.json().get("errors").is_none(), "{}", alone.text());
    prop_assert_eq!(alone.text(), shared.text());
    prop_assert_eq!(alone.text(), first.text(), "asked again");
    let resolved = socket.answer(&document("integrations(first: 3) { t: __typename ...s }")).await;
    prop_assert_eq!(alone.json(), resolved, "resolved by the library");
    Ok(())
}
