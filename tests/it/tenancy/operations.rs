//! Which operations there are: read from what is published, so that a new one cannot be forgotten.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition};
use serde_json::Value;

/// Every operation of the REST interface, by its operation id.
pub(super) fn of_rest() -> Vec<String> {
    let document = patchbay::rest::document();
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.flat_map(|item| item.as_object().expect("item").values());
    let ids = operations.filter_map(|operation| operation.get("operationId"));
    ids.map(|id| id.as_str().expect("text").to_owned()).collect()
}

/// The published GraphQL schema.
pub(super) struct Published(Vec<TypeDefinition>);

impl Published {
    pub(super) fn read() -> Self {
        let document = parse_schema(patchbay::graphql::sdl()).expect("schema");
        let types = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        });
        Self(types.collect())
    }

    /// Every field of the three roots, `Query.integrations` style.
    pub(super) fn operations(&self) -> Vec<String> {
        let roots = ["Query", "Mutation", "Subscription"].into_iter();
        roots.flat_map(|root| self.fields(root).into_iter().map(move |f| format!("{root}.{}", f.name.node))).collect()
    }

    /// A document that asks for the operation with every field of its answer, however deep.
    pub(super) fn document(&self, operation: &str, arguments: &str) -> String {
        let (root, name) = operation.split_once('.').expect("Type.field");
        let field = self.fields(root).into_iter().find(|f| f.name.node == name).expect("field");
        let selection = self.selection(named(&field.ty.node), &mut vec![root.to_owned()]);
        format!("{} {{ {name}{arguments} {selection} }}", root.to_lowercase())
    }

    fn selection(&self, name: &str, path: &mut Vec<String>) -> String {
        let Some(definition) = self.0.iter().find(|t| t.name.node == name) else { return String::new() };
        if path.iter().any(|outer| outer == name) {
            return "{ __typename }".into();
        }
        path.push(name.to_owned());
        let parts: Vec<String> = match &definition.kind {
            TypeKind::Object(object) => object
                .fields
                .iter()
                .map(|f| format!("{} {}", f.node.name.node, self.selection(named(&f.node.ty.node), path)))
                .collect(),
            TypeKind::Interface(_) => self
                .0
                .iter()
                .filter(|t| matches!(&t.kind, TypeKind::Object(o) if o.implements.iter().any(|i| i.node == name)))
                .map(|t| format!("... on {} {}", t.name.node, self.selection(&t.name.node, path)))
                .collect(),
            _ => Vec::new(),
        };
        path.pop();
        if parts.is_empty() { String::new() } else { format!("{{ __typename {} }}", parts.join(" ")) }
    }

    fn fields(&self, name: &str) -> Vec<&FieldDefinition> {
        let definition = self.0.iter().find(|t| t.name.node == name).unwrap_or_else(|| panic!("no type {name}"));
        match &definition.kind {
            TypeKind::Object(object) => object.fields.iter().map(|f| &f.node).collect(),
            _ => panic!("{name} is not an object"),
        }
    }
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// Fails with the names of the operations that have no case, or no longer exist.
pub(super) fn assert_covered(mut published: Vec<String>, cases: impl IntoIterator<Item = &'static str>) {
    let mut cases: Vec<_> = cases.into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = published.iter().filter(|o| !cases.contains(o)).collect();
    assert!(missing.is_empty(), "operations without a stranger case: {missing:?}");
    published.sort();
    cases.sort();
    assert_eq!(cases, published, "cases of operations that are not there");
}

#[test]
fn a_selection_reaches_every_field_of_an_integration() {
    let document = Published::read().document("Query.node", "(id: \"x\")");
    for field in ["installedAt", "params", "secretNames", "missingFields", "updatedAt"] {
        assert!(document.contains(field), "{field} not in {document}");
    }
}

#[test]
#[should_panic(expected = "Mutation.unheardOf")]
fn an_operation_without_a_case_fails_by_name() {
    assert_covered(vec!["Query.node".into(), "Mutation.unheardOf".into()], ["Query.node"]);
}

#[test]
fn the_document_names_all_operations_of_the_contract() {
    let all: Value = of_rest().into();
    for id in ["listIntegrations", "getIntegration", "installIntegration", "uninstallIntegration"] {
        assert!(all.as_array().expect("list").iter().any(|o| o == id), "{id} not in {all}");
    }
}
