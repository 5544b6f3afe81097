// Written by build/types.mjs from operations.graphql and schema.graphql: `npm run types`.

/** A document with the types of its answer and of its variables. */
export type Operation<Data, Variables> = { name: string; text: string; readonly types?: (variables: Variables) => Data };

export type ActorKind = 'ANONYMOUS' | 'API_KEY' | 'GATEWAY' | 'OPERATOR' | 'SYSTEM' | 'TOKEN';

export type AuditAction = 'ACCOUNT_SHREDDED' | 'API_KEY_CREATED' | 'API_KEY_REVOKED' | 'DATA_KEY_ROTATED' | 'INSTALLATION_INSTALLED' | 'INSTALLATION_PURGED' | 'INSTALLATION_UNINSTALLED' | 'INSTALLATION_UPDATED' | 'INTEGRATION_CREATED' | 'INTEGRATION_DELETED' | 'INTEGRATION_DEPRECATED' | 'INTEGRATION_UPDATED' | 'PROVIDER_KEY_RETIRED' | 'PROVIDER_KEY_REWRAPPED' | 'SECRETS_READ';

export type AuditOutcome = 'FAILED' | 'SUCCEEDED';

export type AuthKind = 'API_KEY' | 'AWS_SIGV4' | 'BASIC' | 'BEARER' | 'MCP_OAUTH' | 'NONE' | 'OAUTH2_CLIENT_CREDENTIALS' | 'OAUTH2_CODE' | 'REQUEST_SIGNATURE' | 'SERVICE_ACCOUNT_JWT' | 'TWO_STEP';

export type FieldPart = 'PARAMS' | 'SECRETS';

export type FieldType = 'BOOLEAN' | 'ENUM' | 'INTEGER' | 'STRING';

export type InstallIntegrationInput = { idempotencyKey?: string | null; integration: IntegrationRef; params?: Record<string, unknown> | null; secrets?: Record<string, unknown> | null };

export type InstallationErrorCode = 'INTEGRATION_DEPRECATED' | 'INTEGRATION_NOT_FOUND' | 'PARAMS_INVALID' | 'PARAMS_QUOTA_REACHED' | 'SECRETS_INVALID';

export type IntegrationOrder = 'CATEGORY' | 'DISPLAY_NAME' | 'INSTALLED_AT' | 'NAME' | 'RELEVANCE';

export type IntegrationRef = { id: string } | { name: string };

export type IntegrationState = 'ACTIVE' | 'DEPRECATED';

export type IntegrationStatus = 'AVAILABLE' | 'INSTALLED';

export type PurgeInstallationDataInput = { idempotencyKey?: string | null; integration: IntegrationRef };

export type UninstallIntegrationInput = { idempotencyKey?: string | null; integration: IntegrationRef };

export type ValidateInstallationInput = { integration: IntegrationRef; params?: Record<string, unknown> | null; secrets?: Record<string, unknown> | null };

export type CardFragment = { name: string; displayName: string; description: string; category: string; tags: Array<string>; status: IntegrationStatus; missingFields: Array<string>; isCustom: boolean; differsFromDefault: boolean; state: IntegrationState };

export type EntryFragment = CardFragment & { authKinds: Array<AuthKind>; credentialsUrl: string | null; docsUrl: string | null; homepageUrl: string | null; installedAt: string | null; params: Record<string, unknown>; secretNames: Array<string>; fields: Array<{ name: string; part: FieldPart; secret: boolean; label: string; help: string | null; type: FieldType; enum: Array<unknown>; default: unknown | null; example: unknown | null; required: boolean; multiline: boolean; appliesTo: Array<AuthKind>; docsUrl: string | null }> };

export type ProblemFragment = { message: string; pointer: string | null; code: InstallationErrorCode };

export const List: Operation<{ integrations: { nodes: Array<CardFragment>; totalCount: number; categoryCounts: Array<{ category: string; count: number }>; statusCounts: Array<{ status: IntegrationStatus; count: number }>; pageInfo: { endCursor: string | null; hasNextPage: boolean } } }, { search?: string | null; category?: string | null; status?: IntegrationStatus | null; tag?: string | null; authKind?: AuthKind | null; orderBy?: IntegrationOrder | null; first?: number | null; after?: string | null }> = {
  name: 'List',
  text: "query List($search:String$category:String$status:IntegrationStatus$tag:String$authKind:AuthKind$orderBy:IntegrationOrder$first:Int$after:String){integrations(search:$search category:$category status:$status tag:$tag authKind:$authKind orderBy:$orderBy first:$first after:$after){nodes{...Card}totalCount categoryCounts{category count}statusCounts{status count}pageInfo{endCursor hasNextPage}}}fragment Card on Integration{name displayName description category tags status missingFields isCustom differsFromDefault state}",
};

export const Entry: Operation<{ integration: EntryFragment | null }, { name: string }> = {
  name: 'Entry',
  text: "query Entry($name:String!){integration(by:{name:$name}){...Entry}}fragment Entry on Integration{...Card authKinds credentialsUrl docsUrl homepageUrl installedAt params secretNames fields{name part secret label help type enum default example required multiline appliesTo docsUrl}}fragment Card on Integration{name displayName description category tags status missingFields isCustom differsFromDefault state}",
};

export const Events: Operation<{ installationEvents: { nodes: Array<{ id: string; action: AuditAction; at: string; fields: Array<string>; fieldsOmitted: number; outcome: AuditOutcome; actor: { kind: ActorKind; label: string } }>; pageInfo: { endCursor: string | null; hasNextPage: boolean } } }, { name: string; first?: number | null; after?: string | null }> = {
  name: 'Events',
  text: "query Events($name:String!$first:Int$after:String){installationEvents(filter:{integration:{name:$name}}first:$first after:$after){nodes{id action at fields fieldsOmitted outcome actor{kind label}}pageInfo{endCursor hasNextPage}}}",
};

export const Validate: Operation<{ validateInstallation: { missingFields: Array<string>; userErrors: Array<ProblemFragment> } | null }, { input: ValidateInstallationInput }> = {
  name: 'Validate',
  text: "mutation Validate($input:ValidateInstallationInput!){validateInstallation(input:$input){missingFields userErrors{...Problem}}}fragment Problem on InstallationError{message pointer code}",
};

export const Install: Operation<{ installIntegration: { integration: EntryFragment | null; userErrors: Array<ProblemFragment> } | null }, { input: InstallIntegrationInput }> = {
  name: 'Install',
  text: "mutation Install($input:InstallIntegrationInput!){installIntegration(input:$input){integration{...Entry}userErrors{...Problem}}}fragment Entry on Integration{...Card authKinds credentialsUrl docsUrl homepageUrl installedAt params secretNames fields{name part secret label help type enum default example required multiline appliesTo docsUrl}}fragment Card on Integration{name displayName description category tags status missingFields isCustom differsFromDefault state}fragment Problem on InstallationError{message pointer code}",
};

export const Uninstall: Operation<{ uninstallIntegration: { integration: EntryFragment | null; userErrors: Array<ProblemFragment> } | null }, { input: UninstallIntegrationInput }> = {
  name: 'Uninstall',
  text: "mutation Uninstall($input:UninstallIntegrationInput!){uninstallIntegration(input:$input){integration{...Entry}userErrors{...Problem}}}fragment Entry on Integration{...Card authKinds credentialsUrl docsUrl homepageUrl installedAt params secretNames fields{name part secret label help type enum default example required multiline appliesTo docsUrl}}fragment Card on Integration{name displayName description category tags status missingFields isCustom differsFromDefault state}fragment Problem on InstallationError{message pointer code}",
};

export const Purge: Operation<{ purgeInstallationData: { integration: EntryFragment | null; userErrors: Array<ProblemFragment> } | null }, { input: PurgeInstallationDataInput }> = {
  name: 'Purge',
  text: "mutation Purge($input:PurgeInstallationDataInput!){purgeInstallationData(input:$input){integration{...Entry}userErrors{...Problem}}}fragment Entry on Integration{...Card authKinds credentialsUrl docsUrl homepageUrl installedAt params secretNames fields{name part secret label help type enum default example required multiline appliesTo docsUrl}}fragment Card on Integration{name displayName description category tags status missingFields isCustom differsFromDefault state}fragment Problem on InstallationError{message pointer code}",
};
