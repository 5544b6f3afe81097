//! The schema: what clients rely on is in it, and the printed file is what the binary serves.

use std::collections::BTreeSet;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition};
use serde_json::json;

use super::acme;
use crate::support::World;

/// The core of the contract, word for word. It only grows by a decision.
const CORE: &str = "
type Query {
  integrations(category: String, status: IntegrationStatus, search: String,
               first: Int, after: String, last: Int, before: String): IntegrationConnection!
  integration(by: IntegrationRef!): Integration
  installationEvents(filter: AuditEventFilter, first: Int, after: String): AuditEventConnection!
  mcpConnections: McpConnectionList!
  nativeTools: NativeToolList!
  node(id: ID!): Node
}
type AuditEventConnection { edges: [AuditEventEdge!]!  nodes: [AuditEvent!]!  pageInfo: PageInfo! }
type AuditEventEdge { node: AuditEvent!  cursor: String! }
type AuditEvent { id: ID!  at: DateTime!  actor: Actor!  action: AuditAction!  integrationId: ID  integrationName: String
  fields: [String!]!  outcome: AuditOutcome!  requestId: String! }
type Actor { kind: ActorKind!  id: String!  label: String! }
input AuditEventFilter { action: AuditAction  integration: IntegrationRef  actor: String  outcome: AuditOutcome
  since: DateTime  until: DateTime }
type McpConnectionList { nodes: [McpConnection!]!, totalCount: Int! }
type NativeToolList { nodes: [NativeTool!]!, totalCount: Int! }
type Mutation {
  installIntegration(input: InstallIntegrationInput!): InstallIntegrationPayload
  uninstallIntegration(input: UninstallIntegrationInput!): UninstallIntegrationPayload
}
type Subscription { integrationChanged: Integration! }
enum IntegrationStatus { AVAILABLE INSTALLED }
input IntegrationRef @oneOf { id: ID  name: String }
input InstallIntegrationInput { integration: IntegrationRef!  params: JSONObject  secrets: JSONObject }
input UninstallIntegrationInput { integration: IntegrationRef! }
type InstallIntegrationPayload { integration: Integration  changed: Boolean!  userErrors: [InstallationError!]! }
type UninstallIntegrationPayload { integration: Integration  changed: Boolean!  userErrors: [InstallationError!]! }
type InstallationError { message: String!  field: [String!]  code: InstallationErrorCode! }
enum InstallationErrorCode { INTEGRATION_NOT_FOUND PARAMS_INVALID SECRETS_INVALID }
type IntegrationConnection { edges: [IntegrationEdge!]!  nodes: [Integration!]!  pageInfo: PageInfo!  totalCount: Int!
                             categoryCounts: [CategoryCount!]! }
type IntegrationEdge { node: Integration!  cursor: String! }
type PageInfo { hasNextPage: Boolean!  hasPreviousPage: Boolean!  startCursor: String  endCursor: String }
type CategoryCount { category: String!  count: Int! }
interface Node { id: ID! }
type Integration implements Node { id: ID!  name: String!  displayName: String!  description: String!  category: String!  tags: [String!]!
  iconUrl: String  docsUrl: String  homepageUrl: String  authKinds: [AuthKind!]!  status: IntegrationStatus!  installedAt: DateTime
  params: JSONObject!  secretNames: [String!]!  missingFields: [String!]!  paramsSchema: JSONObject!  secretsSchema: JSONObject!
  isCustom: Boolean!  createdAt: DateTime!  updatedAt: DateTime! }
scalar DateTime
scalar JSONObject
";

#[test]
fn the_printed_schema_is_the_one_served() {
    let printed = patchbay::graphql::sdl();
    assert!(
        printed == include_str!("../../../schema.graphql"),
        "schema.graphql is out of date: cargo run -- schema > schema.graphql"
    );
    assert_eq!(printed, patchbay::graphql::sdl(), "two prints differ");
}

#[test]
fn the_core_of_the_contract_is_in_the_schema() {
    let schema = facts(&patchbay::graphql::sdl());
    let missing: Vec<_> = facts(CORE).facts.difference(&schema.facts).cloned().collect();
    assert_eq!(missing, [""; 0], "promised to clients and gone");
}

#[test]
fn nothing_new_is_required_of_clients() {
    let (core, schema) = (facts(CORE), facts(&patchbay::graphql::sdl()));
    // What is new as a whole may require what it likes: nobody has written a query for it.
    let is_of_core = |place: &str| {
        let owner =
            place.split_once('(').map_or_else(|| place.split('.').next(), |(field, _)| field.rsplit('.').next());
        owner.is_some_and(|owner| CORE.contains(owner))
    };
    let demanded: Vec<_> = schema.required.difference(&core.required).filter(|place| is_of_core(place)).collect();
    assert!(demanded.is_empty(), "a query written before would be refused: {demanded:?}");
}

#[test]
fn a_word_of_the_core_that_changes_is_noticed() {
    for (word, other) in [
        ("integration(by: IntegrationRef!): Integration", "integration(by: IntegrationRef!): Integration!"),
        ("first: Int", "first: Int!"),
        ("INSTALLED }", "ENABLED }"),
        (" @oneOf", ""),
        ("implements Node ", ""),
    ] {
        assert!(CORE.contains(word), "{word}");
        let changed = facts(&CORE.replacen(word, other, 1));
        assert_ne!(facts(CORE).facts.difference(&changed.facts).count(), 0, "{word} as {other:?}");
    }
}

#[tokio::test]
async fn introspection_needs_no_account() {
    let world = World::start().await;
    let answer = world.nobody().graphql(INTROSPECTION, json!({})).await;
    let schema = answer.data()["__schema"].take();
    let types: Vec<_> = schema["types"].as_array().expect("types").iter().map(|t| t["name"].clone()).collect();
    assert!(types.contains(&json!("Integration")) && types.contains(&json!("Subscription")), "{types:?}");
    let reference = schema["types"].as_array().expect("types").iter().find(|t| t["name"] == "IntegrationRef");
    assert_eq!(reference.expect("IntegrationRef")["isOneOf"], true);
}

#[tokio::test]
async fn introspection_and_type_names_answer_with_an_account_too() {
    let (_world, acme) = acme().await;
    acme.graphql(INTROSPECTION, json!({})).await.data();
    let data = acme.graphql("{ __typename node(id: \"x\") { __typename } }", json!({})).await.data();
    assert_eq!(data, json!({"__typename": "Query", "node": null}));
}

struct Facts {
    facts: BTreeSet<String>,
    /// Arguments and input fields without which a query is refused.
    required: BTreeSet<String>,
}

/// A schema as one line per promise.
fn facts(sdl: &str) -> Facts {
    let (mut facts, mut required) = (BTreeSet::new(), BTreeSet::new());
    let document = parse_schema(sdl).expect("a schema");
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let (name, directives) = (definition.node.name.node.to_string(), definition.node.directives);
        facts.extend(
            directives
                .iter()
                .map(|d| d.node.name.node.as_str())
                .filter(|d| *d == "oneOf")
                .map(|d| format!("{name} @{d}")),
        );
        let mut put = |fact: String| {
            facts.insert(fact);
        };
        match definition.node.kind {
            TypeKind::Scalar => put(format!("scalar {name}")),
            TypeKind::Object(object) => {
                put(format!("type {name}"));
                object.implements.iter().for_each(|i| put(format!("{name} implements {}", i.node)));
                object.fields.iter().for_each(|f| field(&name, &f.node, &mut put, &mut required));
            }
            TypeKind::Interface(interface) => {
                put(format!("interface {name}"));
                interface.fields.iter().for_each(|f| field(&name, &f.node, &mut put, &mut required));
            }
            TypeKind::Enum(values) => {
                values.values.iter().for_each(|v| put(format!("enum {name}.{}", v.node.value.node)))
            }
            TypeKind::InputObject(input) => input.fields.iter().for_each(|f| {
                put(format!("input {name}.{}: {}", f.node.name.node, f.node.ty.node));
                required.extend(requires(&f.node).then(|| format!("{name}.{}", f.node.name.node)));
            }),
            TypeKind::Union(_) => put(format!("union {name}")),
        }
    }
    Facts { facts, required }
}

fn field(owner: &str, field: &FieldDefinition, put: &mut impl FnMut(String), required: &mut BTreeSet<String>) {
    let name = &field.name.node;
    put(format!("{owner}.{name}: {}", field.ty.node));
    for argument in &field.arguments {
        put(format!("{owner}.{name}({}: {})", argument.node.name.node, argument.node.ty.node));
        required.extend(requires(&argument.node).then(|| format!("{owner}.{name}({})", argument.node.name.node)));
    }
}

fn requires(value: &InputValueDefinition) -> bool {
    !value.ty.node.nullable && value.default_value.is_none()
}

/// The query of `getIntrospectionQuery` in npm package `graphql` with every option on that this schema knows.
const INTROSPECTION: &str = "
query IntrospectionQuery {
  __schema {
    description
    queryType { name kind }
    mutationType { name kind }
    subscriptionType { name kind }
    types { ...FullType }
    directives {
      name description isRepeatable locations
      args(includeDeprecated: true) { ...InputValue }
    }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) {
    name description
    args(includeDeprecated: true) { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue {
  name description
  type { ...TypeRef }
  defaultValue isDeprecated deprecationReason
}
fragment TypeRef on __Type {
  kind name
  ofType { name kind ofType { name kind ofType { name kind ofType { name kind ofType { name kind
  ofType { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } } }
}
";
