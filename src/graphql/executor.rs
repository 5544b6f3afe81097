//! Running a request: admitted by `document`, run by the library, cleaned by `error`. For HTTP and sockets alike.

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Data, Request, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::document::{self, DocumentLimits, Refusal};
use super::documents::{self, Documents};
use super::loaders::Loaders;
use super::wording::Vocabulary;
use super::{PatchbaySchema, coercion, cost, error};
use crate::domain::Operation;
use crate::edge::{EdgeState, RequestId, Visitor};
use crate::error::Error;
use crate::service::TenantServices;

/// The schema with its limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Executor {
    schema: PatchbaySchema,
    limits: DocumentLimits,
    vocabulary: Vocabulary,
    documents: Documents,
}

/// Who is asking: in the data of every request.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    pub(super) tenant: Option<TenantServices>,
    pub(super) request_id: RequestId,
}

impl Caller {
    /// Someone of whom nothing is known.
    fn nobody(request_id: RequestId) -> Self {
        Self { visitor: Visitor::default(), tenant: None, request_id }
    }

    /// The services of the account, for one operation.
    pub(super) fn tenant(&self, operation: Operation) -> std::result::Result<&TenantServices, Error> {
        self.visitor.may(operation)?;
        self.tenant.as_ref().ok_or(Error::AccountRequired)
    }
}

/// What is known of a request that may run.
pub(super) struct Admission {
    pub(super) kind: OperationType,
    /// The document and its text, if it is to be kept once it was answered.
    newcomer: Option<(String, Arc<ExecutableDocument>)>,
}

impl Executor {
    pub(super) fn new(schema: PatchbaySchema, limits: DocumentLimits) -> Self {
        let vocabulary = Vocabulary::new(schema.names(), limits.introspection);
        Self { schema, limits, vocabulary, documents: Documents::new() }
    }

    /// Parses the document, unless it is known, counts it, and checks the values it is run with; the request then holds
    /// it.
    pub(super) fn admit(&self, request: &mut Request) -> std::result::Result<Admission, Refusal> {
        let text = std::mem::take(&mut request.query);
        let known = self.documents.find(&text);
        let is_new = known.is_none();
        let document = known.map_or_else(|| document::parse(&text, &self.limits).map(Arc::new), Ok)?;
        cost::check(&document, &request.variables, &self.limits)?;
        let operation = document::select(&document, request.operation_name.as_deref())?;
        let kind = operation.ty;
        coercion::coerce(&document, operation, &mut request.variables)?;
        request.operation_name = request.operation_name.take().filter(|name| !name.is_empty());
        let newcomer = (is_new && documents::is_keepable(&document)).then(|| (text, document.clone()));
        request.set_parsed_query(Arc::unwrap_or_clone(document));
        Ok(Admission { kind, newcomer })
    }

    /// Runs an admitted query or mutation.
    pub(super) async fn run(&self, request: Request, admission: Admission, caller: Caller) -> Response {
        let request_id = caller.request_id.clone();
        let response = self.schema.execute(with_caller(request, caller)).await;
        if let (Some((text, document)), true) = (admission.newcomer, response.errors.is_empty()) {
            self.documents.keep(text, document);
        }
        error::finish(response, &request_id, &self.vocabulary)
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
}

impl async_graphql::Executor for SocketExecutor {
    async fn execute(&self, mut request: Request) -> Response {
        match self.executor.admit(&mut request) {
            Ok(admission) => {
                let caller = Caller::nobody(self.request_id.clone());
                self.executor.run(request, admission, caller).await
            }
            Err(refusal) => self.executor.refuse(refusal, &self.request_id),
        }
    }

    fn execute_stream(&self, mut request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let session = session.unwrap_or_default();
        let known =
            session.get(&std::any::TypeId::of::<Caller>()).and_then(|caller| caller.downcast_ref::<Caller>()).cloned();
        let mut caller = known.unwrap_or_else(|| Caller::nobody(self.request_id.clone()));
        // Each operation counts as a request of its own, also one that is refused for its document.
        let places = match self.edge.count(&mut caller.visitor) {
            Ok(places) => places,
            Err(error) => return stream::iter([self.executor.fail(error, &self.request_id)]).boxed(),
        };
        let admission = match self.executor.admit(&mut request) {
            Ok(admission) => admission,
            Err(refusal) => return stream::iter([self.executor.refuse(refusal, &self.request_id)]).boxed(),
        };
        // Subscriptions are limited by how many are open.
        let places = (admission.kind != OperationType::Subscription).then_some(places);
        // A socket's caller outlives many revisions of the catalog; a request sees one.
        caller.tenant = caller.tenant.map(|tenant| tenant.anew());
        let Self { executor, request_id, .. } = self.clone();
        executor
            .schema
            .execute_stream(with_caller(request, caller))
            .map(move |response| {
                let _held = &places;
                error::finish(response, &request_id, &executor.vocabulary)
            })
            .boxed()
    }
}

fn with_caller(request: Request, caller: Caller) -> Request {
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
        max_document_bytes: 99,
        introspection: true,
    };

    /// Runs a document without an account.
    async fn run(executor: &Executor, text: &str) {
        let mut request = Request::new(text);
        request.operation_name = text.contains("query A").then(|| "A".to_owned());
        let admission = executor.admit(&mut request).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        executor.run(request, admission, Caller::nobody(RequestId("1".into()))).await;
    }

    #[tokio::test]
    async fn a_query_is_kept_once_it_was_answered_and_nothing_else_is() {
        let executor = Executor::new(crate::graphql::schema(), LIMITS);
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
