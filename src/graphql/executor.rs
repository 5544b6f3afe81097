//! Running a request: admitted by `document`, run by the library, cleaned by `error`. For HTTP and sockets alike.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Request, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::document::{self, DocumentLimits, Refusal};
use super::wording::Vocabulary;
use super::{PatchbaySchema, coercion, error, loaders};
use crate::edge::RequestId;
use crate::error::Error;
use crate::service::TenantServices;

/// The schema with its limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Executor {
    schema: PatchbaySchema,
    limits: DocumentLimits,
    vocabulary: Vocabulary,
}

/// Who is asking: in the data of every request.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) tenant: Option<TenantServices>,
    pub(super) request_id: RequestId,
}

impl Caller {
    /// The services of the account.
    pub(super) fn tenant(&self) -> std::result::Result<&TenantServices, Error> {
        self.tenant.as_ref().ok_or(Error::AccountRequired)
    }
}

impl Executor {
    pub(super) fn new(schema: PatchbaySchema, limits: DocumentLimits) -> Self {
        let vocabulary = Vocabulary::new(schema.names());
        Self { schema, limits, vocabulary }
    }

    /// Parses and counts the document, and checks the values it is run with; the request then holds it.
    pub(super) fn admit(&self, request: &mut Request) -> std::result::Result<OperationType, Refusal> {
        let document = document::read(&request.query, &request.variables, &self.limits)?;
        let operation = document::select(&document, request.operation_name.as_deref())?;
        let kind = operation.ty;
        coercion::coerce(&document, operation, &mut request.variables)?;
        request.operation_name = request.operation_name.take().filter(|name| !name.is_empty());
        request.set_parsed_query(document);
        Ok(kind)
    }

    /// Runs an admitted query or mutation.
    pub(super) async fn run(&self, request: Request, caller: Caller) -> Response {
        let request_id = caller.request_id.clone();
        let response = self.schema.execute(with_caller(request, caller)).await;
        error::finish(response, &request_id, &self.vocabulary)
    }

    /// Why a document was not run, as a response.
    pub(super) fn refuse(&self, refusal: Refusal, request_id: &RequestId) -> Response {
        error::refused(refusal, request_id, &self.vocabulary)
    }
}

/// An executor for one socket, whose caller is known once the connection is.
#[derive(Clone)]
pub(super) struct SocketExecutor {
    pub(super) executor: Executor,
    pub(super) request_id: RequestId,
}

impl async_graphql::Executor for SocketExecutor {
    async fn execute(&self, mut request: Request) -> Response {
        match self.executor.admit(&mut request) {
            Ok(_) => {
                let caller = Caller { tenant: None, request_id: self.request_id.clone() };
                self.executor.run(request, caller).await
            }
            Err(refusal) => self.executor.refuse(refusal, &self.request_id),
        }
    }

    fn execute_stream(&self, mut request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        if let Err(refusal) = self.executor.admit(&mut request) {
            return stream::iter([self.executor.refuse(refusal, &self.request_id)]).boxed();
        }
        let session = session.unwrap_or_default();
        let known =
            session.get(&std::any::TypeId::of::<Caller>()).and_then(|caller| caller.downcast_ref::<Caller>()).cloned();
        let caller = known.unwrap_or_else(|| Caller { tenant: None, request_id: self.request_id.clone() });
        let Self { executor, request_id } = self.clone();
        executor
            .schema
            .execute_stream(with_caller(request, caller))
            .map(move |response| error::finish(response, &request_id, &executor.vocabulary))
            .boxed()
    }
}

fn with_caller(request: Request, mut caller: Caller) -> Request {
    // A socket's caller outlives many revisions of the catalog; a request sees one.
    caller.tenant = caller.tenant.map(|tenant| tenant.anew());
    match &caller.tenant {
        Some(tenant) => request.data(loaders::installations(tenant.clone())).data(caller),
        None => request.data(caller),
    }
}
