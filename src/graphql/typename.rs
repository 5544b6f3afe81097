//! `__typename` with directives, which the library's validator does not visit: their arguments and variables would be
//! neither checked nor counted as used. An inline fragment with the same directives has the same meaning, and is visited.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, InlineFragment, Selection, SelectionSet,
};
use async_graphql::{Pos, Positioned, ServerError};

/// Moves the directives of each `__typename` to an inline fragment around it.
///
/// # Errors
/// A fault for `__typename` with arguments or a selection set.
pub(super) fn normalize(document: &mut ExecutableDocument) -> Result<(), ServerError> {
    match &mut document.operations {
        DocumentOperations::Single(operation) => normalize_set(&mut operation.node.selection_set.node)?,
        DocumentOperations::Multiple(operations) => {
            let mut sets = operations.values_mut().map(|operation| &mut operation.node.selection_set.node);
            sets.try_for_each(normalize_set)?;
        }
    }
    document.fragments.values_mut().try_for_each(|fragment| normalize_set(&mut fragment.node.selection_set.node))
}

fn normalize_set(set: &mut SelectionSet) -> Result<(), ServerError> {
    for selection in &mut set.items {
        let pos = selection.pos;
        match &mut selection.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                check(&field.node, pos)?;
                if !field.node.directives.is_empty() {
                    let directives = std::mem::take(&mut field.node.directives);
                    let items = vec![Positioned::new(Selection::Field(field.clone()), pos)];
                    let selection_set = Positioned::new(SelectionSet { items }, pos);
                    let inline = InlineFragment { type_condition: None, directives, selection_set };
                    selection.node = Selection::InlineFragment(Positioned::new(inline, pos));
                }
            }
            Selection::Field(field) => normalize_set(&mut field.node.selection_set.node)?,
            Selection::InlineFragment(inline) => normalize_set(&mut inline.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

fn check(field: &Field, pos: Pos) -> Result<(), ServerError> {
    if !field.arguments.is_empty() {
        return Err(ServerError::new("Unknown argument on field \"__typename\"", Some(pos)));
    }
    if !field.selection_set.node.items.is_empty() {
        let message = "Field \"__typename\" must not have a selection since type \"String\" has no subfields";
        return Err(ServerError::new(message, Some(pos)));
    }
    Ok(())
}
