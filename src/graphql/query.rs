//! Queries.

use std::borrow::Cow;

use async_graphql::{Context, ID, Object};

use super::error::Result;
use super::executor::Caller;
use super::loaders::Loaders;
use super::plan::InOneGo;
use super::turns::CpuTurns;
use super::types::{
    ApiKeyConnection, AuditEventConnection, AuditEventFilter, AuthKind, Integration, IntegrationConnection,
    IntegrationOrder, IntegrationRef, IntegrationStatus, JsonObject, McpConnectionList, NativeToolList, Node,
    PageArguments, RateLimit, first_of,
};
use crate::domain::{CatalogQuery, Cursor, Operation, Reference, SearchText};
use crate::error::Error;
use crate::service::ApiKeyPage;

/// Everything that can be asked. Needs the account in `X-Account-ID`, but for introspection.
pub(super) struct Query;

/// Everything that can be asked. Needs the account in `X-Account-ID`, but for introspection.
//
// A nullable field returns `Option<Result<…>>`: with `Result<Option<…>>` the library takes an error for one of a field
// that may not be null, and wipes its siblings.
#[Object]
impl Query {
    /// The catalog as the account sees it. Filters can be combined. Needs the scope `installations:read`.
    #[allow(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn integrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this category. One that does not exist matches nothing.")] category: Option<String>,
        #[graphql(desc = "Only integrations with this status.")] status: Option<IntegrationStatus>,
        #[graphql(
            desc = "Part of the name, display name, description or a tag, at most 200 characters and 8 words. Case, \
                    diacritics and compatibility forms such as full-width letters make no difference. When nothing in \
                    the catalog has it, entries with words within a letter of its words are found."
        )]
        search: Option<String>,
        #[graphql(desc = "Only what has exactly this tag. One that nobody has matches nothing.")] tag: Option<String>,
        #[graphql(desc = "Only what can be authenticated to like this.")] auth_kind: Option<AuthKind>,
        #[graphql(desc = "The order of the list; `CATEGORY` when absent.")] order_by: Option<IntegrationOrder>,
        #[graphql(desc = "The first so many, 1 to 200; 50 when neither `first` nor `last` is given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 200.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<InOneGo<IntegrationConnection>> {
        let tenant = caller(ctx).tenant(Operation::ListIntegrations)?;
        let page = PageArguments { first, after, last, before }.page()?;
        let (status, auth_kind) = (status.map(Into::into), auth_kind.map(Into::into));
        let search = search.map_or(Ok(None), |text| SearchText::parse(&text))?;
        let order = order_by.map(Into::into).unwrap_or_default();
        let listing = tenant.list(CatalogQuery { category, status, search, tag, auth_kind, order }).await?;
        let _turn = ctx.data_unchecked::<CpuTurns>().take().await;
        Ok(InOneGo(IntegrationConnection::new(listing, &page)?))
    }

    /// One integration by id or by name; null when there is none. Needs the scope `installations:read`.
    async fn integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] by: IntegrationRef,
    ) -> Option<Result<Integration>> {
        find(ctx, Operation::ShowIntegration, &by.into()).await.transpose()
    }

    /// An integration as it is written in the vocabulary of the catalog files, which an update of one's own starts from; null
    /// when there is none. Needs the scope `catalog:read`.
    async fn integration_definition(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] by: IntegrationRef,
    ) -> Option<Result<JsonObject<'static>>> {
        let tenant = match caller(ctx).tenant(Operation::ShowDefinition) {
            Ok(tenant) => tenant,
            Err(error) => return Some(Err(error.into())),
        };
        match tenant.definition(&by.into()).await {
            Ok(definition) => Some(Ok(JsonObject(Cow::Owned(definition)))),
            Err(Error::NotFound) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// The account's audit log, newest first: each change of an installation and of an API key, and each reading of
    /// secrets. Needs the scope `audit:read`.
    async fn installation_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many, 1 to 200; 50 when absent.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Only events that match.")] filter: Option<AuditEventFilter>,
    ) -> Result<AuditEventConnection> {
        let tenant = caller(ctx).tenant(Operation::ListEvents)?;
        let after = after.map(Cursor);
        let page = tenant.events(&filter.unwrap_or_default().into(), first_of(first)?, after.as_ref()).await?;
        Ok(AuditEventConnection { page, is_first: after.is_none() })
    }

    /// The API keys that are good for the account and for none that the credentials do not cover, newest first, those
    /// included that expired or were revoked. Never what proves one. Needs the scope `keys:read`.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many, 1 to 200; 50 when not given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
    ) -> Result<ApiKeyConnection> {
        let tenant = caller(ctx).tenant(Operation::ListApiKeys)?;
        let page = ApiKeyPage { limit: first_of(first)?, after: after.map(Cursor) };
        Ok(ApiKeyConnection::new(tenant.account(), tenant.api_keys(page).await?))
    }

    /// MCP connections: none yet. Needs the scope `catalog:read`.
    async fn mcp_connections(&self, ctx: &Context<'_>) -> Result<McpConnectionList> {
        caller(ctx).tenant(Operation::ListMcpConnections)?;
        Ok(McpConnectionList)
    }

    /// Native tools: none yet. Needs the scope `catalog:read`.
    async fn native_tools(&self, ctx: &Context<'_>) -> Result<NativeToolList> {
        caller(ctx).tenant(Operation::ListNativeTools)?;
        Ok(NativeToolList)
    }

    /// How the caller stands with the limits on requests, this one counted. Needs the scope `catalog:read`.
    async fn rate_limit(&self, ctx: &Context<'_>) -> Result<RateLimit> {
        let caller = caller(ctx);
        caller.tenant(Operation::ShowRateLimit)?;
        Ok(RateLimit::of(caller.visitor.standing()))
    }

    /// Any object by its id; null when there is none. Needs the scope `installations:read`.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "The object's id.")] id: ID) -> Option<Result<Node>> {
        if let Err(error) = caller(ctx).tenant(Operation::FindNode) {
            return Some(Err(error.into()));
        }
        let found = find(ctx, Operation::FindNode, &Reference::parse_id(&id)?).await.transpose()?;
        Some(found.map(Node::Integration))
    }
}

/// Sibling fields and aliases share one statement through the loader.
async fn find(ctx: &Context<'_>, operation: Operation, reference: &Reference) -> Result<Option<Integration>> {
    caller(ctx).tenant(operation)?;
    let loader = ctx.data_unchecked::<Loaders>().integrations();
    let found = loader.load_one(reference.clone()).await.map_err(|error| Error::clone(&error))?;
    Ok(found.map(Integration))
}

pub(super) fn caller<'a>(ctx: &'a Context<'_>) -> &'a Caller {
    ctx.data_unchecked::<Caller>()
}
