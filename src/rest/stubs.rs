//! Kinds of tools that are not built yet: their routes answer an empty list, so that clients can be written now.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{RestState, body, respond};
use crate::domain::Operation;
use crate::edge::{Failure, Visitor};

/// List MCP connections
///
/// Always empty for now.
#[utoipa::path(get, path = "/mcp-connections", tag = "tools", operation_id = "listMcpConnections",
    responses(
        (status = 200, description = "The list", body = body::McpConnectionList),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account"),
    ))]
pub(super) async fn mcp_connections(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    state.edge.enter(&visitor, Operation::ListMcpConnections)?;
    Ok(respond::cached(&headers, &body::McpConnectionList { mcp_connections: [], total: 0 })?)
}

/// List native tools
///
/// Always empty for now.
#[utoipa::path(get, path = "/native-tools", tag = "tools", operation_id = "listNativeTools",
    responses(
        (status = 200, description = "The list", body = body::NativeToolList),
        (status = 304, description = "The client has this answer already"),
        (status = 400, description = "A missing or malformed account"),
    ))]
pub(super) async fn native_tools(
    State(state): State<RestState>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    state.edge.enter(&visitor, Operation::ListNativeTools)?;
    Ok(respond::cached(&headers, &body::NativeToolList { native_tools: [], total: 0 })?)
}
