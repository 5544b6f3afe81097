//! Every operation declares one scope, says so where it is described, and is refused without it.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use patchbay::domain::{Operation, Scope};
use serde_json::Value;

use super::gateway::{self, TOKEN};
use super::samples::{Sample, verdict};
use crate::support::World;

/// What is published as an operation: its name and its description.
fn published() -> Vec<(String, String)> {
    rest().into_iter().chain(graphql()).collect()
}

fn rest() -> Vec<(String, String)> {
    let document = patchbay::rest::document();
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.flat_map(|item| item.as_object().expect("item").values());
    let text = |operation: &Value, key: &str| operation[key].as_str().map(str::to_owned);
    operations
        .filter_map(|operation| {
            Some((text(operation, "operationId")?, text(operation, "description").unwrap_or_default()))
        })
        .collect()
}

fn graphql() -> Vec<(String, String)> {
    let document = parse_schema(patchbay::graphql::sdl()).expect("schema");
    let mut fields = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let root = definition.node.name.node.to_string();
        let (TypeKind::Object(object), true) =
            (definition.node.kind, ["Query", "Mutation", "Subscription"].contains(&root.as_str()))
        else {
            continue;
        };
        fields.extend(object.fields.into_iter().map(|field| {
            let description = field.node.description.map(|text| text.node).unwrap_or_default();
            (format!("{root}.{}", field.node.name.node), description.replace('\n', " "))
        }));
    }
    fields
}

#[test]
fn each_operation_declares_one_scope_where_it_is_described() {
    let published = published();
    for (name, description) in &published {
        let operation = Operation::ALL.iter().find(|o| o.rest() == name || o.graphql() == name);
        let operation = operation.unwrap_or_else(|| panic!("{name} is not in the table of operations"));
        let sentence = format!("Needs the scope `{}`.", operation.scope());
        assert_eq!(description.matches("Needs the scope").count(), 1, "{name}: {description}");
        assert!(description.contains(&sentence), "{name}: {sentence} not in {description}");
    }
    let names = Operation::ALL.iter().flat_map(|o| [o.rest(), o.graphql()]).filter(|name| !name.is_empty());
    for name in names {
        assert!(published.iter().any(|(known, _)| known == name), "{name} is in the table and nowhere else");
    }
}

#[tokio::test]
async fn an_operation_passes_with_its_scope_alone_and_with_none_of_the_others() {
    for &held in Scope::ALL.iter().filter(|&&scope| scope != Scope::Admin) {
        let only = World::builder().set(&gateway::settings(held.as_str())).start().await;
        let others: Vec<_> =
            Scope::ALL.iter().filter(|&&s| s != held && s != Scope::Admin).map(|scope| scope.as_str()).collect();
        let others = World::builder().set(&gateway::settings(&others.join(","))).start().await;
        for &operation in Operation::ALL.iter().filter(|operation| operation.scope() == held) {
            let samples = Sample::all_of(operation, "nokeyyet");
            for sample in samples.iter().filter(|sample| !matches!(sample, Sample::Socket(_))) {
                let told = format!("{operation:?} over {} with {held}", sample.interface());
                let allowed = sample.send(&only.account("acme").header("x-gateway-token", TOKEN)).await;
                // Nothing is installed and no key made: some pass the gate and find nothing.
                let code = verdict(&allowed).1;
                let has_passed = matches!(code.as_str(), "ok" | "integration_not_installed" | "api_key_not_found");
                assert!(has_passed, "{told}: {code}");
                let refused = sample.send(&others.account("acme").header("x-gateway-token", TOKEN)).await;
                assert!(refused.text().contains(&format!("The credentials lack the scope {held}")), "{told}");
                let expected = match sample {
                    Sample::Rest(..) => (403, "forbidden"),
                    _ => (200, "FORBIDDEN"),
                };
                let (status, code) = verdict(&refused);
                assert_eq!((status, code.as_str()), expected, "{told} missing");
            }
        }
    }
}
