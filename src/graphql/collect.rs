//! Collects the fields of an operation as the GraphQL specification says (CollectFields, MergeSelectionSets): fields
//! with the same response name are one field, whose selection sets are merged.
//!
//! The library executes a field once per occurrence. An operation in which a response name occurs several times is
//! therefore rewritten before it is executed.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationDefinition, OperationType,
    Selection, SelectionSet, TypeCondition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Pos, Positioned, Value, Variables};

/// The types of the schema's fields, and the object types of its abstract types.
#[derive(Default)]
pub(super) struct TypeIndex {
    fields: HashMap<String, HashMap<String, String>>,
    possible_types: HashMap<String, Vec<String>>,
}

/// The fields of an operation, merged.
pub(super) struct CollectedFields<'a> {
    root: Vec<Branch<'a>>,
    /// Whether a response name occurs several times in one selection set.
    pub(super) has_repeats: bool,
    /// Where two fields of one response name differ in field name or arguments.
    pub(super) conflict: Option<[Pos; 2]>,
    /// Whether a selection has a directive.
    has_directives: bool,
}

/// The fields of a selection set for one object type; for every type where `on` is absent.
struct Branch<'a> {
    on: Option<&'a str>,
    fields: Vec<CollectedField<'a>>,
}

struct CollectedField<'a> {
    field: &'a Positioned<Field>,
    below: Vec<Branch<'a>>,
}

impl TypeIndex {
    /// Reads the types of a printed schema. Introspection types are not in it: all of them are object types.
    pub(super) fn from_sdl(sdl: &str) -> Self {
        let mut index = Self::default();
        let document = async_graphql::parser::parse_schema(sdl).expect("the schema that the library prints");
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            let fields = match definition.node.kind {
                TypeKind::Object(object) => {
                    for interface in object.implements {
                        index.possible_types.entry(interface.node.to_string()).or_default().push(name.clone());
                    }
                    object.fields
                }
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::Union(union) => {
                    let members = union.members.into_iter().map(|member| member.node.to_string()).collect();
                    index.possible_types.insert(name, members);
                    continue;
                }
                _ => continue,
            };
            let fields = fields.into_iter().map(|f| (f.node.name.node.to_string(), f.node.ty.node.to_string()));
            index.fields.insert(name, fields.collect());
        }
        index
    }

    /// The type of a field, with its brackets and marks; `None` where it is not indexed.
    fn full_type(&self, parent: Option<&str>, field: &str) -> Option<&str> {
        self.fields.get(parent?)?.get(field).map(String::as_str)
    }

    fn type_of(&self, parent: Option<&str>, field: &str) -> Option<&str> {
        self.full_type(parent, field).map(bare)
    }

    /// Whether a fragment with this condition applies to an object type. The validator has refused conditions that never
    /// hold on a type that is not indexed.
    fn applies(&self, condition: Option<&str>, object: Option<&str>) -> bool {
        let (Some(condition), Some(object)) = (condition, object) else { return true };
        let possible = || self.possible_types.get(condition).is_some_and(|types| types.iter().any(|t| t == object));
        condition == object || possible()
    }
}

impl<'a> CollectedFields<'a> {
    /// Collects the fields of an operation. `@skip` and `@include` remove selections before the operation is executed,
    /// and no conflict between fields.
    pub(super) fn collect(
        document: &'a ExecutableDocument,
        operation: &'a OperationDefinition,
        types: &'a TypeIndex,
        variables: &'a Variables,
    ) -> Self {
        let all = Self::collect_with(document, operation, types, None);
        match all.has_directives {
            false => all,
            true => {
                let executed = Self::collect_with(document, operation, types, Some(variables));
                Self { has_repeats: all.has_repeats, conflict: all.conflict, ..executed }
            }
        }
    }

    fn collect_with(
        document: &'a ExecutableDocument,
        operation: &'a OperationDefinition,
        types: &'a TypeIndex,
        variables: Option<&'a Variables>,
    ) -> Self {
        let root = match operation.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        let mut collector =
            Collector { document, types, variables, has_repeats: false, conflict: None, has_directives: false };
        let root = collector.branches(Some(root), &[&operation.selection_set.node]);
        let Collector { has_repeats, conflict, has_directives, .. } = collector;
        Self { root, has_repeats, conflict, has_directives }
    }

    /// How many fields of the root are executed. `__typename` needs no execution.
    pub(super) fn root_count(&self) -> usize {
        let fields = self.root.iter().flat_map(|branch| &branch.fields);
        fields.filter(|collected| collected.field.node.name.node != "__typename").count()
    }

    /// A document of this operation alone, without fragments, in which each response name occurs once.
    pub(super) fn to_document(&self, operation: &Positioned<OperationDefinition>) -> ExecutableDocument {
        let pos = operation.node.selection_set.pos;
        let OperationDefinition { ty, variable_definitions, directives, .. } = &operation.node;
        let merged = OperationDefinition {
            ty: *ty,
            variable_definitions: variable_definitions.clone(),
            directives: directives.clone(),
            selection_set: selection_set(&self.root, pos),
        };
        ExecutableDocument {
            operations: DocumentOperations::Single(Positioned::new(merged, operation.pos)),
            fragments: HashMap::new(),
        }
    }
}

struct Collector<'a> {
    document: &'a ExecutableDocument,
    types: &'a TypeIndex,
    variables: Option<&'a Variables>,
    has_repeats: bool,
    conflict: Option<[Pos; 2]>,
    has_directives: bool,
}

/// Fields of one selection set by response name, in the order of their first occurrence, each with the selection sets
/// of all its occurrences.
#[derive(Default)]
struct Grouped<'a> {
    positions: HashMap<&'a str, usize>,
    fields: Vec<(&'a Positioned<Field>, Vec<&'a SelectionSet>)>,
}

impl<'a> Collector<'a> {
    fn branches(&mut self, parent: Option<&'a str>, sets: &[&'a SelectionSet]) -> Vec<Branch<'a>> {
        let types = self.types;
        let possible = parent.and_then(|parent| types.possible_types.get(parent));
        let is_plain = |set: &&SelectionSet| set.items.iter().all(|item| matches!(item.node, Selection::Field(_)));
        match possible {
            Some(possible) if !sets.iter().all(is_plain) => {
                let branches =
                    possible.iter().map(|object| Branch { on: Some(object), fields: self.fields(Some(object), sets) });
                let branches: Vec<_> = branches.filter(|branch| !branch.fields.is_empty()).collect();
                for (n, branch) in branches.iter().enumerate() {
                    branches[..n].iter().for_each(|other| self.compare_shapes((other, other.on), (branch, branch.on)));
                }
                branches
            }
            _ => vec![Branch { on: None, fields: self.fields(parent, sets) }],
        }
    }

    fn fields(&mut self, parent: Option<&'a str>, sets: &[&'a SelectionSet]) -> Vec<CollectedField<'a>> {
        let mut grouped = Grouped::default();
        sets.iter().for_each(|set| self.group(parent, set, &mut grouped));
        let collected = grouped.fields.into_iter().map(|(field, sets)| {
            let below = match sets.is_empty() {
                true => Vec::new(),
                false => self.branches(self.types.type_of(parent, &field.node.name.node), &sets),
            };
            CollectedField { field, below }
        });
        collected.collect()
    }

    fn group(&mut self, parent: Option<&'a str>, set: &'a SelectionSet, grouped: &mut Grouped<'a>) {
        for Positioned { node, .. } in &set.items {
            self.has_directives |= !node.directives().is_empty();
            if self.is_skipped(node.directives()) {
                continue;
            }
            let (condition, set) = match node {
                Selection::Field(field) => {
                    self.add(field, grouped);
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    let InlineFragment { type_condition, selection_set, .. } = &inline.node;
                    (type_condition.as_ref(), &selection_set.node)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.node.fragment_name.node);
                    let Some(fragment) = fragment else { continue };
                    (Some(&fragment.node.type_condition), &fragment.node.selection_set.node)
                }
            };
            if self.types.applies(condition.map(|condition| condition.node.on.node.as_str()), parent) {
                self.group(parent, set, grouped);
            }
        }
    }

    fn add(&mut self, field: &'a Positioned<Field>, grouped: &mut Grouped<'a>) {
        let below = Some(&field.node.selection_set.node).filter(|set| !set.items.is_empty());
        let key = field.node.response_key().node.as_str();
        let Some(position) = grouped.positions.get(key) else {
            grouped.positions.insert(key, grouped.fields.len());
            grouped.fields.push((field, below.into_iter().collect()));
            return;
        };
        self.has_repeats = true;
        let (first, sets) = &mut grouped.fields[*position];
        if !is_same(&first.node, &field.node) {
            self.conflict.get_or_insert([first.pos, field.pos]);
        }
        sets.extend(below);
    }

    /// Compares fields of one response name on two object types (SameResponseShape).
    fn compare_shapes(
        &mut self,
        (one, one_type): (&Branch<'a>, Option<&str>),
        (other, other_type): (&Branch<'a>, Option<&str>),
    ) {
        let types = self.types;
        let key = |collected: &CollectedField<'a>| collected.field.node.response_key().node.as_str();
        let others: HashMap<&str, &CollectedField<'_>> = other.fields.iter().map(|field| (key(field), field)).collect();
        for a in &one.fields {
            let Some(b) = others.get(key(a)) else { continue };
            // Only `__typename` has no entry.
            let a_type = types.full_type(one_type, &a.field.node.name.node).unwrap_or("String!");
            let b_type = types.full_type(other_type, &b.field.node.name.node).unwrap_or("String!");
            let is_leaf = a.below.is_empty() || b.below.is_empty();
            if wrappers(a_type).ne(wrappers(b_type)) || (is_leaf && bare(a_type) != bare(b_type)) {
                self.conflict.get_or_insert([a.field.pos, b.field.pos]);
                continue;
            }
            for (a, b) in a.below.iter().flat_map(|a| b.below.iter().map(move |b| (a, b))) {
                let (a_type, b_type) = (a.on.or(Some(bare(a_type))), b.on.or(Some(bare(b_type))));
                self.compare_shapes((a, a_type), (b, b_type));
            }
        }
    }

    fn is_skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        let Some(variables) = self.variables else { return false };
        directives.iter().any(|directive| {
            let skips_if = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let argument = directive.node.get_argument("if").map(|value| value.node.clone());
            let value = argument.map(|value| value.into_const_with(|name| variables.get(&name).cloned().ok_or(())));
            matches!(value, Some(Ok(Value::Boolean(condition))) if condition == skips_if)
        })
    }
}

/// A type without its brackets and marks.
fn bare(full_type: &str) -> &str {
    full_type.trim_matches(WRAPPERS)
}

/// The brackets and marks of a type.
fn wrappers(full_type: &str) -> impl Iterator<Item = char> {
    full_type.chars().filter(|c| WRAPPERS.contains(c))
}

const WRAPPERS: [char; 3] = ['[', ']', '!'];

/// Whether two fields of one response name have the same field name and arguments.
fn is_same(one: &Field, other: &Field) -> bool {
    let mut arguments = one.arguments.iter();
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && arguments.all(|(name, value)| other.get_argument(&name.node).is_some_and(|other| other.node == value.node))
}

fn selection_set(branches: &[Branch<'_>], pos: Pos) -> Positioned<SelectionSet> {
    let items = branches.iter().flat_map(|branch| {
        let fields = branch.fields.iter().map(|collected| selection(collected));
        match branch.on {
            None => fields.collect::<Vec<_>>(),
            Some(object) => {
                let on = Positioned::new(TypeCondition { on: Positioned::new(Name::new(object), pos) }, pos);
                let selection_set = Positioned::new(SelectionSet { items: fields.collect() }, pos);
                let inline = InlineFragment { type_condition: Some(on), directives: Vec::new(), selection_set };
                vec![Positioned::new(Selection::InlineFragment(Positioned::new(inline, pos)), pos)]
            }
        }
    });
    Positioned::new(SelectionSet { items: items.collect() }, pos)
}

fn selection(CollectedField { field, below }: &CollectedField<'_>) -> Positioned<Selection> {
    let Field { alias, name, arguments, selection_set: set, .. } = &field.node;
    let merged = Field {
        alias: alias.clone(),
        name: name.clone(),
        arguments: arguments.clone(),
        directives: Vec::new(),
        selection_set: selection_set(below, set.pos),
    };
    Positioned::new(Selection::Field(Positioned::new(merged, field.pos)), field.pos)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn collected(text: &str, variables: &Variables, check: impl FnOnce(CollectedFields<'_>)) {
        let document = parse_query(text).expect("a document");
        let types = TypeIndex::from_sdl(&crate::graphql::sdl());
        let (_, operation) = document.operations.iter().next().expect("an operation");
        check(CollectedFields::collect(&document, &operation.node, &types, variables));
    }

    #[test]
    fn root_fields_are_counted_once_per_response_name() {
        for (text, count, has_repeats) in [
            ("{ rateLimit { limit } }", 1, false),
            ("{ __typename rateLimit { limit } a: rateLimit { limit } }", 2, false),
            ("{ rateLimit { limit } rateLimit { remaining } }", 1, true),
            ("{ ...A ... { rateLimit { limit } } } fragment A on Query { rateLimit { limit } }", 1, true),
            ("{ integration(by: {name: \"a\"}) { id id } }", 1, true),
            ("{ node(id: 1) { id ... on Integration { name } ... on Node { id } } }", 1, true),
            ("{ node(id: 1) { id ... on Integration { name } } }", 1, false),
            ("query($no: Boolean!) { rateLimit { limit } a: rateLimit @skip(if: $no) { limit } }", 1, false),
            ("query($no: Boolean!) { rateLimit { limit } ... @include(if: $no) { a: rateLimit { limit } } }", 2, false),
        ] {
            let variables = Variables::from_json(serde_json::json!({"no": true}));
            collected(text, &variables, |fields| {
                assert_eq!((fields.root_count(), fields.has_repeats), (count, has_repeats), "{text}");
                assert_eq!(fields.conflict, None, "{text}");
            });
        }
    }

    #[test]
    fn fields_that_differ_conflict_at_every_level() {
        for text in [
            "{ a: integration(by: {name: \"a\"}) { id } ... on Query { a: integration(by: {name: \"b\"}) { id } } }",
            "{ integration(by: {name: \"a\"}) { x: id } integration(by: {name: \"a\"}) { x: name } }",
            "{ node(id: 1) { x: id ... on Integration { x: name } } }",
            "{ a: rateLimit { limit } a: nativeTools { totalCount } }",
            "{ __schema { x: types { name } } __schema { x: directives { name } } }",
        ] {
            collected(text, &Variables::default(), |fields| assert!(fields.conflict.is_some(), "{text}"));
        }
    }

    #[test]
    fn selection_sets_of_equal_fields_are_merged() {
        let text = "{ node(id: 1) { id ... on Integration { name id fields { name } fields { label } } } }";
        collected(text, &Variables::default(), |fields| {
            let document = parse_query(text).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            let merged = fields.to_document(operation);
            let expected = "{ node(id: 1) { ... on Integration { id name fields { name label } } } }";
            assert_eq!(names(&merged), names(&parse_query(expected).expect("a document")));
        });
    }

    #[test]
    fn fields_of_two_object_types_have_the_same_shape() {
        let sdl = "type Query { node: Node } interface Node { id: ID! }
            type A implements Node { id: ID! text: String list: [String!] below: B same: String }
            type B implements Node { id: ID! text: Int list: String below: A same: String }
            schema { query: Query }";
        let types = TypeIndex::from_sdl(sdl);
        for (selections, has_conflict) in [
            ("... on A { x: same } ... on B { x: same }", false),
            ("... on A { x: same } ... on B { x: id }", true),
            ("... on A { x: text } ... on B { x: text }", true),
            ("... on A { x: text } ... on B { x: list }", false),
            ("... on A { x: list } ... on B { x: list }", true),
            ("... on A { below { x: same } } ... on B { below { x: same } }", false),
            ("... on A { below { x: text } } ... on B { below { x: text } }", true),
            ("... on A { below { id } } ... on B { below { __typename } }", false),
        ] {
            let document = parse_query(format!("{{ node {{ {selections} }} }}")).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            let variables = Variables::default();
            let fields = CollectedFields::collect(&document, &operation.node, &types, &variables);
            assert_eq!(fields.conflict.is_some(), has_conflict, "{selections}");
        }
    }

    /// Names of fields and conditions, with their nesting.
    fn names(document: &ExecutableDocument) -> String {
        fn walk(set: &SelectionSet) -> String {
            let items = set.items.iter().map(|item| match &item.node {
                Selection::Field(field) => {
                    format!("{} {}", field.node.response_key().node, walk(&field.node.selection_set.node))
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.to_string());
                    format!("{on:?} {}", walk(&inline.node.selection_set.node))
                }
                Selection::FragmentSpread(_) => "spread".to_owned(),
            });
            format!("{{ {} }}", items.collect::<Vec<_>>().join(" "))
        }
        document.operations.iter().map(|(_, operation)| walk(&operation.node.selection_set.node)).collect()
    }
}
