//! What a parsed document costs, counted in linear time before the validator sees it.
//!
//! Every fragment is visited once: its cost is a pair (once, per item) that is added wherever it is spread. The library's
//! own counting visits a fragment as often as it is spread, which nesting doubles at every level.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use super::document::{DocumentLimits, Refusal};
use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};

/// Deepest nesting of selection sets, fragments counted: everything after the parser recurses too.
pub(super) const LEVELS_MAX: usize = 64;
/// Fields that answer a page: what stands under their `nodes` and `edges` counts once per item.
const PAGED: [&str; 3] = ["integrations", "installationEvents", "apiKeys"];
const PER_ITEM: [&str; 2] = ["nodes", "edges"];
/// What a field of the root costs beside what it answers: it reads, whatever is selected.
const ROOT_FIELD_COST: u64 = 10;
/// Fields that answer with the schema. `__typename` is not among them: clients add it to everything.
const INTROSPECTION: [&str; 2] = ["__schema", "__type"];

/// Whether a document keeps within the limits.
///
/// # Errors
/// The limit that it exceeds, that its fragments form a circle, or that it asks for a schema that is not told.
pub(super) fn check(
    document: &ExecutableDocument,
    variables: &Variables,
    limits: &DocumentLimits,
    may_introspect: bool,
) -> Result<(), Refusal> {
    count_directives(document, limits)?;
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let fragments = HashMap::new();
        Counter { document, operation, variables, fragments, limits, may_introspect }.check()?;
    }
    Ok(())
}

/// Checks how many fields of the root an operation executes, equal ones merged.
///
/// # Errors
/// The limit that it exceeds.
pub(super) fn check_root(kind: OperationType, fields: usize, limits: &DocumentLimits) -> Result<(), Refusal> {
    if kind == OperationType::Mutation {
        within("mutations", fields as u64, limits.max_mutations)?;
    }
    within("root fields", fields as u64, limits.max_root_fields)
}

/// Per document: fragments are counted where they stand, not where they are spread.
fn count_directives(document: &ExecutableDocument, limits: &DocumentLimits) -> Result<(), Refusal> {
    let operations = document.operations.iter().map(|(_, operation)| {
        let variables = operation.node.variable_definitions.iter().map(|v| v.node.directives.len());
        operation.node.directives.len() + variables.sum::<usize>() + directives_in(&operation.node.selection_set.node)
    });
    let fragments = document
        .fragments
        .values()
        .map(|fragment| fragment.node.directives.len() + directives_in(&fragment.node.selection_set.node));
    let count = operations.chain(fragments).sum::<usize>() as u64;
    within("directives", count, limits.max_directives)
}

fn directives_in(set: &SelectionSet) -> usize {
    let of = |selection: &Positioned<Selection>| {
        let below = match &selection.node {
            Selection::Field(field) => directives_in(&field.node.selection_set.node),
            Selection::InlineFragment(inline) => directives_in(&inline.node.selection_set.node),
            Selection::FragmentSpread(_) => 0,
        };
        selection.node.directives().len() + below
    };
    set.items.iter().map(of).sum()
}

/// What a selection set costs: `fields` once, `per_item` times the page size of the connection it is selected on.
#[derive(Clone, Copy, Default)]
struct Cost {
    fields: u64,
    per_item: u64,
    /// Everything the validator will visit, spreads counted.
    selections: u64,
    aliases: u64,
    depth: u64,
    levels: usize,
    /// Fields of the set itself, without those below them and `__typename`.
    own_fields: u64,
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// `None` while a fragment is being counted: meeting it again then is a circle.
    fragments: HashMap<&'a Name, Option<Cost>>,
    limits: &'a DocumentLimits,
    may_introspect: bool,
}

impl<'a> Counter<'a> {
    fn check(mut self) -> Result<(), Refusal> {
        let cost = self.selection_set(&self.operation.selection_set.node, 1)?;
        within("depth", cost.depth, self.limits.max_depth)?;
        within("aliases", cost.aliases, self.limits.max_aliases)?;
        let reads = if self.operation.ty == OperationType::Query { cost.own_fields } else { 0 };
        let fields = cost.fields.saturating_add(cost.per_item);
        let complexity = fields.saturating_add(reads.saturating_mul(ROOT_FIELD_COST));
        within("complexity", complexity, self.limits.max_complexity)?;
        within("selections", cost.selections, self.limits.max_complexity.saturating_mul(2))
    }

    fn selection_set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Cost, Refusal> {
        check_level(level)?;
        let mut total = Cost::default();
        for selection in &set.items {
            let cost = match &selection.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => self.selection_set(&inline.node.selection_set.node, level + 1)?,
                Selection::FragmentSpread(spread) => self.spread(&spread.node.fragment_name.node, level)?,
            };
            total.add(cost);
        }
        total.levels += 1;
        Ok(total)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Cost, Refusal> {
        let below = if field.selection_set.node.items.is_empty() {
            Cost::default()
        } else {
            self.selection_set(&field.selection_set.node, level + 1)?
        };
        let name = field.name.node.as_str();
        if !self.may_introspect && INTROSPECTION.contains(&name) {
            return Err(Refusal::Invalid(self.limits.introspection.refusal().into()));
        }
        let items = if PAGED.contains(&name) { self.page_size(field) } else { 1 };
        let inside = below.fields.saturating_add(below.per_item.saturating_mul(items));
        let (fields, per_item) = if PER_ITEM.contains(&name) { (1, inside) } else { (inside.saturating_add(1), 0) };
        Ok(Cost {
            fields,
            per_item,
            selections: below.selections.saturating_add(1),
            aliases: below.aliases.saturating_add(field.alias.is_some().into()),
            depth: below.depth + 1,
            levels: below.levels,
            own_fields: (name != "__typename").into(),
        })
    }

    fn spread(&mut self, name: &'a Name, level: usize) -> Result<Cost, Refusal> {
        let mut cost = match self.fragments.get(name) {
            Some(Some(known)) => *known,
            Some(None) => return Err(Refusal::Invalid("Fragments form a circle".into())),
            None => match self.document.fragments.get(name) {
                // Left to the validator, which knows the words for it.
                None => Cost::default(),
                Some(fragment) => self.fragment(name, &fragment.node, level)?,
            },
        };
        check_level(level + cost.levels)?;
        cost.selections = cost.selections.saturating_add(1);
        Ok(cost)
    }

    fn fragment(&mut self, name: &'a Name, fragment: &'a FragmentDefinition, level: usize) -> Result<Cost, Refusal> {
        self.fragments.insert(name, None);
        let cost = self.selection_set(&fragment.selection_set.node, level + 1)?;
        self.fragments.insert(name, Some(cost));
        Ok(cost)
    }

    /// The page that is asked for; what is not a number counts as the largest, and is refused later.
    fn page_size(&self, field: &Field) -> u64 {
        let asked = ["first", "last"].into_iter().find_map(|argument| {
            let value = field.get_argument(argument)?.node.clone();
            match value.into_const_with(|name| self.variable(&name).ok_or(())) {
                Err(()) | Ok(Value::Null) => None,
                Ok(Value::Number(number)) => number.as_u64(),
                Ok(_) => Some(PAGE_MAX as u64),
            }
        });
        asked.unwrap_or(PAGE_DEFAULT as u64).min(PAGE_MAX as u64)
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let default = || {
            let definition = self.operation.variable_definitions.iter().find(|v| v.node.name.node == *name)?;
            definition.node.default_value().cloned()
        };
        self.variables.get(name).cloned().or_else(default)
    }
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.per_item = self.per_item.saturating_add(other.per_item);
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.depth = self.depth.max(other.depth);
        self.levels = self.levels.max(other.levels);
        self.own_fields = self.own_fields.saturating_add(other.own_fields);
    }
}

fn check_level(level: usize) -> Result<(), Refusal> {
    if level > LEVELS_MAX {
        return Err(Refusal::TooComplex(format!(
            "Selections and fragments are nested more than {LEVELS_MAX} levels deep"
        )));
    }
    Ok(())
}

fn within(what: &str, count: u64, limit: u64) -> Result<(), Refusal> {
    if count > limit {
        return Err(Refusal::TooComplex(format!(
            "The query is too complex: {what} {count} is over the limit of {limit}"
        )));
    }
    Ok(())
}
