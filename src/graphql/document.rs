//! Reading a query document, and refusing one that costs too much, in linear time and before anything else looks at it.
//!
//! No message quotes the document, which may hold an inline secret.

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Pos, Positioned, ServerError};

use super::brackets::{bracket_depth, find_large_integer};
use super::typename;

/// Deepest nesting of brackets of any kind that is parsed at all: the parser recurses.
const BRACKETS_MAX: usize = 200;

/// What a document may cost, and whether it may ask for the schema.
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
    /// Most fields of the root that an operation executes, equal ones merged.
    pub max_root_fields: u64,
    /// Most mutations of an operation, equal ones merged.
    pub max_mutations: u64,
    /// Largest document.
    pub max_document_bytes: usize,
    /// Who may ask for the schema.
    pub introspection: Introspection,
}

/// Who may ask for the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// All callers.
    On,
    /// Callers that prove a credential.
    Credential,
    /// No caller.
    Off,
}

impl Introspection {
    /// The sentence for a caller that may not ask for the schema.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Self::Credential => {
                "The schema cannot be asked for without a credential: graphql.introspection is credential"
            }
            Self::On | Self::Off => "The schema cannot be asked for here: graphql.introspection is off",
        }
    }
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
    /// Breaks a rule of validation at a place of the document; in words that quote the schema alone.
    Fault(ServerError),
    /// Has the hash of a query in its place.
    PersistedQuery,
    /// Costs more than allowed.
    TooComplex(String),
    /// The operation to run cannot be told.
    Operation(String),
    /// A value is missing or wrong; in the library's words, which may quote it.
    Value(ServerError),
    /// An integer that no 64 bits hold.
    Integer(Pos),
}

/// Parses a document of a size and nesting that can be parsed.
pub(super) fn parse(text: &str, limits: &DocumentLimits) -> Result<ExecutableDocument, Refusal> {
    if text.len() > limits.max_document_bytes {
        return Err(Refusal::TooLarge { limit: limits.max_document_bytes });
    }
    if bracket_depth(text) > BRACKETS_MAX {
        return Err(Refusal::TooComplex(format!("The document is nested more than {BRACKETS_MAX} levels deep")));
    }
    if let Some(at) = find_large_integer(text) {
        return Err(Refusal::Integer(at));
    }
    let mut document = parse_query(text).map_err(|error| syntax(&error))?;
    typename::normalize(&mut document).map_err(Refusal::Fault)?;
    Ok(document)
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

/// The operation to run.
///
/// # Errors
/// When the name, or its absence, does not tell.
pub(super) fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Refusal> {
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
    Ok(found.1)
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use async_graphql::parser::types::OperationType;
    use std::time::{Duration, Instant};

    use super::super::cost;
    use super::*;

    fn limits() -> DocumentLimits {
        DocumentLimits {
            max_depth: 16,
            max_complexity: 5_000,
            max_aliases: 30,
            max_directives: 10,
            max_root_fields: 20,
            max_mutations: 10,
            max_document_bytes: 65_536,
            introspection: Introspection::On,
        }
    }

    fn read(text: &str, variables: &Variables) -> Result<ExecutableDocument, Refusal> {
        let document = parse(text, &limits())?;
        cost::check(&document, variables, &limits(), true).map(|()| document)
    }

    fn verdict(text: &str) -> Result<OperationType, Refusal> {
        let document = read(text, &Variables::default())?;
        select(&document, None).map(|operation| operation.node.ty)
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
        assert!(read(&both, &small).is_ok());
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
    fn messages_do_not_quote_the_document() {
        for text in ["{ install(key: \"sk_live_1\" }", "query sk_live_1 { id } query sk_live_1 { id }", "sk_live_1"] {
            let refusal = format!("{:?}", verdict(text).expect_err("refused"));
            assert!(!refusal.contains("sk_live_1"), "{refusal}");
        }
    }
}
