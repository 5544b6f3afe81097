//! Kinds of tools that are not built yet: their lists are empty, so that clients can be written now.

use async_graphql::{ID, Object, SimpleObject};

/// A connection to an MCP server.
#[derive(SimpleObject)]
pub(in crate::graphql) struct McpConnection {
    /// Its id.
    id: ID,
    /// Its name.
    name: String,
}

/// A tool built into the platform.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NativeTool {
    /// Its id.
    id: ID,
    /// Its name.
    name: String,
}

/// MCP connections: none yet.
pub(in crate::graphql) struct McpConnectionList;

/// MCP connections: none yet.
#[Object]
impl McpConnectionList {
    /// Always empty for now.
    async fn nodes(&self) -> Vec<McpConnection> {
        Vec::new()
    }

    /// Always 0 for now.
    async fn total_count(&self) -> usize {
        0
    }
}

/// Native tools: none yet.
pub(in crate::graphql) struct NativeToolList;

/// Native tools: none yet.
#[Object]
impl NativeToolList {
    /// Always empty for now.
    async fn nodes(&self) -> Vec<NativeTool> {
        Vec::new()
    }

    /// Always 0 for now.
    async fn total_count(&self) -> usize {
        0
    }
}
