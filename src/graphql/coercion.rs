//! Values of variables, and of the inputs of mutations, checked before anything runs: a request with a wrong value in its
//! last mutation must not run the first.
//!
//! The library's validator leaves out a variable that is required and absent, everything beside a variable that is
//! absent, and what is not an object where an input object belongs; it finds those when the field runs.

use std::collections::HashSet;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, ServerError, Value, Variables};

use super::document::Refusal;
use super::mutation;

/// Fills in the defaults of variables and refuses values that are missing or cannot be read.
pub(super) fn coerce(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &mut Variables,
) -> Result<(), Refusal> {
    fill_in(operation, variables)?;
    if operation.ty != OperationType::Mutation {
        return Ok(());
    }
    let mut fields = Vec::new();
    root_fields(document, &operation.selection_set.node, &mut HashSet::new(), &mut fields);
    for field in fields {
        let Some(input) = field.get_argument("input") else { continue };
        // A variable that is not declared is left to the validator, which knows the words for it.
        let Ok(value) = input.node.clone().into_const_with(|name| variables.get(&name).cloned().ok_or(())) else {
            continue;
        };
        mutation::check_input(field.name.node.as_str(), value, input.pos).map_err(Refusal::Value)?;
    }
    Ok(())
}

fn fill_in(operation: &OperationDefinition, variables: &mut Variables) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let (name, nullable) = (&definition.node.name.node, definition.node.var_type.node.nullable);
        match (variables.get(name), definition.node.default_value()) {
            (Some(Value::Null), _) | (None, None) if !nullable => {
                return Err(Refusal::Value(ServerError::new(MISSING, Some(definition.pos))));
            }
            (None, Some(default)) => {
                let default = default.clone();
                variables.insert(name.clone(), default);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Of a variable that must have a value.
pub(super) const MISSING: &str = "A required variable has no value";

fn root_fields<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    seen: &mut HashSet<&'a Name>,
    fields: &mut Vec<&'a Field>,
) {
    for Positioned { node, .. } in &set.items {
        match node {
            Selection::Field(field) => fields.push(&field.node),
            Selection::InlineFragment(inline) => root_fields(document, &inline.node.selection_set.node, seen, fields),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if let Some(fragment) = document.fragments.get(name).filter(|_| seen.insert(name)) {
                    root_fields(document, &fragment.node.selection_set.node, seen, fields);
                }
            }
        }
    }
}
