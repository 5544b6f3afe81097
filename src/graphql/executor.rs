//! Running a request: admitted by `document`, run by the library, cleaned by `error`. For HTTP and sockets alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Pos, Request, Response, ServerError, ValidationMode};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::task::yield_now;

use super::collect::{CollectedFields, TypeIndex};
use super::document::{self, DocumentLimits, Introspection, Refusal};
use super::documents::{self, Documents};
use super::loaders::Loaders;
use super::turns::{CpuTurns, TIME_SLICE};
use super::wording::Vocabulary;
use super::{PatchbaySchema, coercion, cost, error, schema, schema_builder, sdl};
use crate::domain::Operation;
use crate::edge::{EdgeState, Permits, RequestId, Visitor};
use crate::error::Error;
use crate::service::TenantServices;

/// The schema with its limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Executor {
    /// Validates and executes.
    schema: PatchbaySchema,
    /// Validates and executes nothing.
    validator: PatchbaySchema,
    /// Executes documents that were rewritten after their validation.
    unvalidated: PatchbaySchema,
    types: Arc<TypeIndex>,
    limits: DocumentLimits,
    vocabulary: Vocabulary,
    documents: Documents,
}

/// The extension in which Apollo clients send the hash of a query.
pub(super) const PERSISTED_QUERY: &str = "persistedQuery";

/// Who is asking: in the data of every request.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    pub(super) tenant: Option<TenantServices>,
    pub(super) request_id: RequestId,
}

impl Caller {
    /// The services of the account, for one operation.
    pub(super) fn tenant(&self, operation: Operation) -> std::result::Result<&TenantServices, Error> {
        self.visitor.may(operation)?;
        self.tenant.as_ref().ok_or(Error::AccountRequired)
    }
}

/// What is known of a request that may run.
pub(super) struct Admission {
    pub(super) kind: OperationType,
    /// Fields of the root that are executed, equal ones merged.
    pub(super) root_fields: usize,
    /// The document and its text, if it is to be kept once it was answered.
    newcomer: Option<(String, Arc<ExecutableDocument>)>,
    /// The document as the client wrote it, where the request holds a rewritten one.
    original: Option<Original>,
    started: Instant,
}

/// A document that is validated before its rewritten form is executed.
struct Original {
    document: ExecutableDocument,
    operation_name: Option<String>,
    conflict: Option<[Pos; 2]>,
}

/// Ends a request after its validation.
struct ValidateOnly;

impl ExtensionFactory for ValidateOnly {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for ValidateOnly {
    async fn execute(&self, _: &ExtensionContext<'_>, _: Option<&str>, _: NextExecute<'_>) -> Response {
        Response::default()
    }
}

impl Executor {
    pub(super) fn new(limits: DocumentLimits) -> Self {
        let schema = schema();
        let vocabulary = Vocabulary::new(schema.names(), limits.introspection == Introspection::On);
        Self {
            validator: schema_builder().extension(ValidateOnly).finish(),
            unvalidated: schema_builder().validation_mode(ValidationMode::Fast).finish(),
            types: Arc::new(TypeIndex::from_sdl(&sdl())),
            schema,
            limits,
            vocabulary,
            documents: Documents::new(),
        }
    }

    /// Parses the document, unless it is known, counts it, and checks the values it is run with; the request then holds
    /// it.
    pub(super) fn admit(&self, request: &mut Request, visitor: &Visitor) -> std::result::Result<Admission, Refusal> {
        let started = Instant::now();
        let text = std::mem::take(&mut request.query);
        if text.is_empty() && request.extensions.contains_key(PERSISTED_QUERY) {
            return Err(Refusal::PersistedQuery);
        }
        let known = self.documents.find(&text);
        let is_new = known.is_none();
        let document = known.map_or_else(|| document::parse(&text, &self.limits).map(Arc::new), Ok)?;
        let may_introspect = match self.limits.introspection {
            Introspection::On => true,
            Introspection::Credential => visitor.has_credential(),
            Introspection::Off => false,
        };
        cost::check(&document, &request.variables, &self.limits, may_introspect)?;
        let operation = document::select(&document, request.operation_name.as_deref())?;
        let kind = operation.node.ty;
        coercion::coerce(&document, &operation.node, &mut request.variables)?;
        request.operation_name = request.operation_name.take().filter(|name| !name.is_empty());
        let fields = CollectedFields::collect(&document, &operation.node, &self.types, &request.variables);
        let root_fields = fields.root_count();
        cost::check_root(kind, root_fields, &self.limits)?;
        let (merged, conflict) = (fields.has_repeats.then(|| fields.to_document(operation)), fields.conflict);
        let newcomer = (is_new && documents::is_keepable(&document)).then(|| (text, document.clone()));
        let document = Arc::unwrap_or_clone(document);
        let original = match merged {
            None => {
                request.set_parsed_query(document);
                None
            }
            Some(merged) => {
                request.set_parsed_query(merged);
                Some(Original { document, operation_name: request.operation_name.take(), conflict })
            }
        };
        Ok(Admission { kind, root_fields, newcomer, original, started })
    }

    /// Validates the document as the client wrote it.
    ///
    /// # Errors
    /// A response with the faults of the document.
    async fn validate(&self, request: &Request, original: Original) -> std::result::Result<(), Response> {
        let mut validated = Request::new("").variables(request.variables.clone());
        validated.operation_name = original.operation_name;
        validated.set_parsed_query(original.document);
        let response = self.validator.execute(validated).await;
        if !response.errors.is_empty() {
            return Err(response);
        }
        let Some(positions) = original.conflict else { return Ok(()) };
        let mut error = ServerError::new(CONFLICT, None);
        error.locations = positions.into();
        Err(Response::from_errors(vec![error]))
    }

    /// Runs an admitted query or mutation.
    pub(super) async fn run(&self, request: Request, admission: Admission, caller: Caller) -> Response {
        let request_id = caller.request_id.clone();
        if admission.started.elapsed() >= TIME_SLICE {
            yield_now().await;
        }
        let response = match admission.original {
            None => self.schema.execute(with_caller(request, caller)).await,
            Some(original) => match self.validate(&request, original).await {
                Ok(()) => self.unvalidated.execute(with_caller(request, caller)).await,
                Err(response) => response,
            },
        };
        if let (Some((text, document)), true) = (admission.newcomer, response.errors.is_empty()) {
            self.documents.keep(text, document);
        }
        error::finish(response, &request_id, &self.vocabulary)
    }

    /// Opens an admitted subscription.
    fn subscribe(self, request: Request, admission: Admission, caller: Caller) -> BoxStream<'static, Response> {
        let (vocabulary, request_id) = (self.vocabulary.clone(), caller.request_id.clone());
        let responses = async move {
            let schema = match admission.original {
                None => &self.schema,
                Some(original) => match self.validate(&request, original).await {
                    Ok(()) => &self.unvalidated,
                    Err(response) => return one(response),
                },
            };
            schema.execute_stream(with_caller(request, caller))
        };
        let finish = move |response| error::finish(response, &request_id, &vocabulary);
        stream::once(responses).flatten().map(finish).boxed()
    }

    /// Why a document was not run, as a response.
    pub(super) fn refuse(&self, refusal: Refusal, request_id: &RequestId) -> Response {
        error::refused(refusal, request_id, &self.vocabulary)
    }

    /// Why a request was not looked at, as a response.
    fn fail(&self, error: Error, request_id: &RequestId) -> Response {
        error::finish(error::failed(error), request_id, &self.vocabulary)
    }
}

/// An executor for one socket, whose caller is known once the connection is.
#[derive(Clone)]
pub(super) struct SocketExecutor {
    pub(super) executor: Executor,
    pub(super) edge: EdgeState,
    pub(super) request_id: RequestId,
    /// How long a query or mutation may take.
    pub(super) timeout: Duration,
}

impl SocketExecutor {
    /// Executes an operation of any kind. Each counts as requests of its own, also one that is refused. The permits are to
    /// be held until the first response is written.
    pub(super) fn execute(&self, mut request: Request, mut caller: Caller) -> (BoxStream<'static, Response>, Permits) {
        let refused = |response| (one(response), Permits::default());
        let permits = match self.edge.begin_operation(&mut caller.visitor) {
            Ok(permits) => permits,
            Err(error) => return refused(self.failure(error)),
        };
        let admission = match self.executor.admit(&mut request, &caller.visitor) {
            Ok(admission) => admission,
            Err(refusal) => return refused(self.executor.refuse(refusal, &self.request_id)),
        };
        if let Err(error) = self.edge.count_units(&mut caller.visitor, admission.root_fields) {
            return refused(self.failure(error));
        }
        // A socket's caller outlives many revisions of the catalog; a request sees one.
        caller.tenant = caller.tenant.map(|tenant| tenant.anew());
        let Self { executor, request_id, timeout, .. } = self.clone();
        if admission.kind == OperationType::Subscription {
            // Subscriptions are limited by how many are open, and hold no permit.
            return (executor.subscribe(request, admission, caller), Permits::default());
        }
        let answer = async move {
            let answer = tokio::time::timeout(timeout, executor.run(request, admission, caller)).await;
            answer.unwrap_or_else(|_elapsed| executor.fail(Error::Timeout, &request_id))
        };
        (stream::once(answer).boxed(), permits)
    }

    /// Why an operation failed, as a response.
    pub(super) fn failure(&self, error: Error) -> Response {
        self.executor.fail(error, &self.request_id)
    }
}

fn one(response: Response) -> BoxStream<'static, Response> {
    stream::iter([response]).boxed()
}

/// The message of the library, which compares only fields of the same selection set.
pub(super) const CONFLICT: &str = "Fields conflict because they are different fields or have differing arguments. Use different \
                        aliases on the fields to fetch both if this was intentional.";

fn with_caller(request: Request, caller: Caller) -> Request {
    let request = request.data(CpuTurns::new());
    match &caller.tenant {
        Some(tenant) => request.data(Loaders::new(tenant.clone())).data(caller),
        None => request.data(caller),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DocumentLimits = DocumentLimits {
        max_depth: 16,
        max_complexity: 5_000,
        max_aliases: 30,
        max_directives: 10,
        max_root_fields: 20,
        max_mutations: 10,
        max_document_bytes: 99,
        introspection: Introspection::On,
    };

    /// A caller without a credential and an account.
    fn nobody() -> Caller {
        Caller { visitor: Visitor::default(), tenant: None, request_id: RequestId("1".into()) }
    }

    /// Runs a document without an account.
    async fn run(executor: &Executor, text: &str) {
        let mut request = Request::new(text);
        request.operation_name = text.contains("query A").then(|| "A".to_owned());
        let caller = nobody();
        let admission = executor.admit(&mut request, &caller.visitor);
        let admission = admission.unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        executor.run(request, admission, caller).await;
    }

    #[tokio::test]
    async fn a_query_is_kept_once_it_was_answered_and_nothing_else_is() {
        let executor = Executor::new(LIMITS);
        for (text, is_kept, why) in [
            ("{ __typename }", true, "answered"),
            ("query A { __typename } query B { __typename }", true, "one of two was answered"),
            ("{ nativeTools { totalCount } }", false, "a field failed"),
            ("{ nothing }", false, "the validator refused it"),
            ("mutation { __typename }", false, "a mutation"),
            ("query A { __typename } mutation B { __typename }", false, "a mutation beside"),
        ] {
            for _ in 0..2 {
                run(&executor, text).await;
                assert_eq!(executor.documents.find(text).is_some(), is_kept, "{why}");
            }
        }
    }
}
