//! What can be asked of an account, and the scope that each operation needs: the one table of it.

use super::Scope;

macro_rules! operations {
    ($($operation:ident: $scope:ident, $rest:literal, $graphql:literal;)+) => {
        /// Something a client can ask for, through either interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is described where it is offered")]
        pub enum Operation { $($operation),+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$operation),+];

            /// What a credential must be allowed to do.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$operation => Scope::$scope),+ }
            }

            /// Its operation id in REST; empty when it is not offered there.
            pub const fn rest(self) -> &'static str {
                match self { $(Self::$operation => $rest),+ }
            }

            /// Its field in GraphQL, `Query.integrations` style; empty when it is not offered there.
            pub const fn graphql(self) -> &'static str {
                match self { $(Self::$operation => $graphql),+ }
            }
        }
    };
}

operations! {
    // operation           scope               REST operation          GraphQL field
    ListIntegrations:      InstallationsRead,  "listIntegrations",     "Query.integrations";
    ShowIntegration:       InstallationsRead,  "getIntegration",       "Query.integration";
    ShowDefinition:        CatalogRead,        "getIntegrationDefinition", "Query.integrationDefinition";
    CreateIntegration:     CatalogWrite,       "createIntegration",    "Mutation.createIntegration";
    UpdateIntegration:     CatalogWrite,       "updateIntegration",    "Mutation.updateIntegration";
    DeprecateIntegration:  CatalogWrite,       "deprecateIntegration", "Mutation.deprecateIntegration";
    DeleteIntegration:     CatalogWrite,       "deleteIntegration",    "Mutation.deleteIntegration";
    FindNode:              InstallationsRead,  "",                     "Query.node";
    FollowIntegrations:    InstallationsRead,  "",                     "Subscription.integrationChanged";
    Validate:              InstallationsRead,  "validateInstallation", "Mutation.validateInstallation";
    Install:               InstallationsWrite, "installIntegration",   "Mutation.installIntegration";
    Uninstall:             InstallationsWrite, "uninstallIntegration", "Mutation.uninstallIntegration";
    Purge:                 SecretsPurge,       "purgeInstallationData", "Mutation.purgeInstallationData";
    ReadSecrets:           SecretsRead,        "readSecrets",          "";
    ListEvents:            AuditRead,          "listEvents",           "Query.installationEvents";
    ListMcpConnections:    CatalogRead,        "listMcpConnections",   "Query.mcpConnections";
    ListNativeTools:       CatalogRead,        "listNativeTools",      "Query.nativeTools";
    ListApiKeys:           KeysRead,           "listApiKeys",          "Query.apiKeys";
    CreateApiKey:          KeysWrite,          "createApiKey",         "Mutation.createApiKey";
    RevokeApiKey:          KeysWrite,          "revokeApiKey",         "Mutation.revokeApiKey";
    ShowRateLimit:         CatalogRead,        "",                     "Query.rateLimit";
}

impl Operation {
    /// The operation with this id in REST.
    pub fn of_rest(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| !id.is_empty() && operation.rest() == id)
    }
}
