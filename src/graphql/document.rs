//! Reading a query document, and refusing one that costs too much, in linear time and before anything else looks at it.
//!
//! Costs are counted on the parsed document with every fragment visited once: its cost is a pair (flat, per item) that
//! is added wherever it is spread. No message quotes the document, which may hold an inline secret.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Name, Pos, Positioned, ServerError, Value, Variables};

use crate::domain::limits::{PAGE_DEFAULT, PAGE_MAX};

/// Deepest nesting of brackets of any kind that is parsed at all: the parser recurses.
const BRACKETS_MAX: usize = 200;
/// Deepest nesting of selection sets, fragments counted: everything after the parser recurses too.
pub(super) const LEVELS_MAX: usize = 64;
/// Fields that answer a page: what stands under their `nodes` and `edges` counts once per item.
const PAGED: [&str; 1] = ["integrations"];
const PER_ITEM: [&str; 2] = ["nodes", "edges"];

/// What a document may cost.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Deepest nesting of fields.
    pub max_depth: u64,
    /// Most fields of an answer, lists at page size.
    pub max_complexity: u64,
    /// Most aliases of an operation.
    pub max_aliases: u64,
    /// Most directives of a document.
    pub max_directives: u64,
    /// Largest document.
    pub max_document_bytes: usize,
}

/// Why a document is not run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// Larger than allowed.
    TooLarge { limit: usize },
    /// Not GraphQL.
    Syntax(Option<Pos>),
    /// Breaks a rule of the language that is checked here.
    Invalid(String),
    /// Costs more than allowed.
    TooComplex(String),
    /// The operation to run cannot be told.
    Operation(String),
    /// A value is missing or wrong; in the library's words, which may quote it.
    Value(ServerError),
}

/// A document that may go on to validation.
pub(super) struct Admitted {
    pub(super) document: ExecutableDocument,
    pub(super) kind: OperationType,
}

/// Parses a document, picks the operation and counts what it costs.
pub(super) fn admit(
    text: &str,
    operation_name: Option<&str>,
    variables: &Variables,
    limits: &DocumentLimits,
) -> Result<Admitted, Refusal> {
    if text.len() > limits.max_document_bytes {
        return Err(Refusal::TooLarge { limit: limits.max_document_bytes });
    }
    if bracket_depth(text) > BRACKETS_MAX {
        return Err(Refusal::TooComplex(format!("The document is nested more than {BRACKETS_MAX} levels deep")));
    }
    let document = parse_query(text).map_err(|error| syntax(&error))?;
    count_directives(&document, limits)?;
    for (_, operation) in document.operations.iter() {
        Counter { document: &document, operation: &operation.node, variables, fragments: HashMap::new(), limits }
            .check()?;
    }
    let kind = select(&document, operation_name)?.ty;
    Ok(Admitted { document, kind })
}

fn syntax(error: &ParseError) -> Refusal {
    match error {
        ParseError::MultipleOperations { .. } => {
            Refusal::Invalid("An anonymous operation must be the only one of its document".into())
        }
        ParseError::OperationDuplicated { .. } => Refusal::Invalid("Two operations have the same name".into()),
        ParseError::FragmentDuplicated { .. } => Refusal::Invalid("Two fragments have the same name".into()),
        ParseError::MissingOperation => Refusal::Invalid("The document has no operation".into()),
        ParseError::RecursionLimitExceeded => Refusal::TooComplex("The document is nested too deeply".into()),
        other => Refusal::Syntax(other.positions().next()),
    }
}

/// The deepest nesting of brackets, strings and comments left out.
fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    // Where one block string has no end, none after it has: looking again would take quadratic time.
    let mut blocks_end = true;
    while let Some(c) = rest.chars().next() {
        let step = match c {
            '"' => string_length(rest, &mut blocks_end),
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[step..];
    }
    deepest
}

/// Bytes of the string that `text` starts with, quotes counted.
fn string_length(text: &str, blocks_end: &mut bool) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        if let Some(end) = blocks_end.then(|| block_end(block)).flatten() {
            return end + 6;
        }
        // The parser takes a block string without an end for an empty string, and reads on after that.
        *blocks_end = false;
        return 2;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' | '\r' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the quotes stand that end a block string; escaped ones do not.
fn block_end(block: &str) -> Option<usize> {
    let quotes = block.match_indices("\"\"\"").map(|(at, _)| at);
    let mut quotes = quotes.filter(|at| !block[..*at].ends_with('\\'));
    quotes.next()
}

/// The operation to run.
///
/// # Errors
/// When the name, or its absence, does not tell.
pub(super) fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refusal> {
    let mut operations = document.operations.iter();
    let found = match name.filter(|name| !name.is_empty()) {
        Some(name) => operations
            .find(|(own, _)| own.is_some_and(|own| own == name))
            .ok_or_else(|| Refusal::Operation("The document has no operation of that operationName".into()))?,
        None => match (operations.next(), operations.next()) {
            (Some(only), None) => only,
            _ => {
                return Err(Refusal::Operation(
                    "The document has several operations: name one in operationName".into(),
                ));
            }
        },
    };
    Ok(&found.1.node)
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
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// `None` while a fragment is being counted: meeting it again then is a circle.
    fragments: HashMap<&'a Name, Option<Cost>>,
    limits: &'a DocumentLimits,
}

impl<'a> Counter<'a> {
    fn check(mut self) -> Result<(), Refusal> {
        let cost = self.selection_set(&self.operation.selection_set.node, 1)?;
        within("depth", cost.depth, self.limits.max_depth)?;
        within("aliases", cost.aliases, self.limits.max_aliases)?;
        within("complexity", cost.fields.saturating_add(cost.per_item), self.limits.max_complexity)?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn limits() -> DocumentLimits {
        DocumentLimits {
            max_depth: 16,
            max_complexity: 5_000,
            max_aliases: 30,
            max_directives: 10,
            max_document_bytes: 65_536,
        }
    }

    fn verdict(text: &str) -> Result<OperationType, Refusal> {
        admit(text, None, &Variables::default(), &limits()).map(|admitted| admitted.kind)
    }

    fn is_too_complex(text: &str) -> bool {
        matches!(verdict(text), Err(Refusal::TooComplex(_)))
    }

    #[test]
    fn one_page_of_all_fields_passes_and_two_do_not() {
        let fields = "id name displayName description category tags iconUrl docsUrl homepageUrl authKinds status installedAt \
                      params secretNames missingFields paramsSchema secretsSchema isCustom createdAt updatedAt";
        let page = |n: &str| format!("integrations(first: {n}) {{ nodes {{ {fields} }} totalCount }}");
        assert!(verdict(&format!("{{ {} }}", page("200"))).is_ok());
        assert!(is_too_complex(&format!("{{ a: {} b: {} }}", page("200"), page("200"))));
        let both = format!("query($n: Int = 200) {{ a: {} b: {} }}", page("$n"), page("$n"));
        assert!(is_too_complex(&both), "the default of a variable counts");
        let small: Variables = Variables::from_json(serde_json::json!({"n": 10}));
        assert!(admit(&both, None, &small, &limits()).is_ok());
    }

    #[test]
    fn each_limit_is_met() {
        let nest = |n: usize| format!("{}id{}", "{a".repeat(n - 1) + "{", "}".repeat(n));
        assert!(verdict(&nest(16)).is_ok());
        assert!(is_too_complex(&nest(17)));
        let aliases = |n: usize| format!("{{ {} }}", (0..n).map(|i| format!("a{i}: id ")).collect::<String>());
        assert!(verdict(&aliases(30)).is_ok());
        assert!(is_too_complex(&aliases(31)));
        let directives = |n: usize| format!("{{ id {} }}", "@skip(if: false) ".repeat(n));
        assert!(verdict(&directives(10)).is_ok());
        assert!(is_too_complex(&directives(11)));
        assert_eq!(verdict(&format!("{{ id }} #{}", " ".repeat(65_536))), Err(Refusal::TooLarge { limit: 65_536 }));
    }

    #[test]
    fn doubling_and_circular_fragments_are_refused_at_once() {
        let started = Instant::now();
        for leaf in ["id", "...nobody"] {
            let mut text = format!("{{ ...f0 }} fragment f40 on Query {{ {leaf} }}");
            for i in 0..40 {
                text.push_str(&format!(" fragment f{i} on Query {{ ...f{} ...f{} }}", i + 1, i + 1));
            }
            assert!(is_too_complex(&text), "{leaf}");
        }
        let circle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert!(matches!(verdict(circle), Err(Refusal::Invalid(_))));
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn long_chains_and_deep_brackets_do_not_exhaust_the_stack() {
        let mut chain = String::from("{ ...f0 }");
        for i in 0..1_500 {
            chain.push_str(&format!("fragment f{i} on Query {{ ...f{} }}", i + 1));
        }
        assert!(is_too_complex(&chain));
        for open in ["{a", "[", "("] {
            assert!(is_too_complex(&format!("{{ a(x: {}", open.repeat(20_000))), "{open}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert_eq!(bracket_depth("{ a(x: \"[[[[ \\\" [[\") # {{{{\n }"), 2);
        assert_eq!(bracket_depth("\"\"\"{{{{\"\"\" {"), 1);
        assert_eq!(bracket_depth("\"{{{"), 0);
        assert_eq!(bracket_depth("\"\"\" \\\"\"\" \"\"\" {{{"), 3);
        assert_eq!(bracket_depth("\"\"\"a\" {{{"), 3);
    }

    #[test]
    fn messages_do_not_quote_the_document() {
        for text in ["{ install(key: \"sk_live_1\" }", "query sk_live_1 { id } query sk_live_1 { id }", "sk_live_1"] {
            let refusal = format!("{:?}", verdict(text).expect_err("refused"));
            assert!(!refusal.contains("sk_live_1"), "{refusal}");
        }
    }
}
