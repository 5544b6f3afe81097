// The tabs GraphiQL opens with. A tab is titled after its operation's name.

const variables = (value: unknown) => JSON.stringify(value, null, 2);

const list = `# The account is in "Headers" below.
query ListIntegrations {
  integrations(category: "payments") {
    nodes {
      id
      name
      displayName
      status
    }
    categoryCounts {
      category
      count
    }
    totalCount
  }
}
`;

const install = `# The input is in "Variables" below.
# Secrets are sealed: no answer shows them.
mutation InstallStripe($input: InstallIntegrationInput!) {
  installIntegration(input: $input) {
    integration {
      name
      status
      installedAt
      params
      secretNames
      missingFields
    }
    changed
    userErrors {
      message
      field
      code
    }
  }
}
`;

const installVariables = variables({
  input: {
    integration: { name: 'stripe' },
    params: { api_version: '2025-09-30.clover' },
    secrets: { api_key: 'sk_test_example_0000', webhook_secret: 'whsec_example_0000' },
  },
});

const get = `query GetStripe {
  integration(by: { name: "stripe" }) {
    id
    name
    displayName
    description
    status
    installedAt
    params
    secretNames
    missingFields
  }
}
`;

const uninstall = `# Params and secrets are kept: the next
# install puts them in force again.
mutation UninstallStripe($input: UninstallIntegrationInput!) {
  uninstallIntegration(input: $input) {
    integration {
      name
      status
      installedAt
    }
    changed
    userErrors {
      message
      field
      code
    }
  }
}
`;

const uninstallVariables = variables({ input: { integration: { name: 'stripe' } } });

const watch = `# Leave it running, and install something
# from another window.
subscription WatchChanges {
  integrationChanged {
    name
    status
  }
}
`;

export const exampleTabs = [
  { query: list },
  { query: install, variables: installVariables },
  { query: get },
  { query: uninstall, variables: uninstallVariables },
  { query: watch },
];
