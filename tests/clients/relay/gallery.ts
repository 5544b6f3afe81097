// The documents that Relay's compiler reads. A Relay application has them beside its components, where a plugin of the
// bundler puts the compiled ones in their place; here the program imports those by name, and nobody imports this file.

import { graphql } from 'relay-runtime';

graphql`
  query galleryQuery($search: String, $count: Int!) {
    ...gallery_list @arguments(search: $search, count: $count)
  }
`;

graphql`
  fragment gallery_list on Query
  @refetchable(queryName: "galleryPageQuery")
  @argumentDefinitions(search: { type: "String" }, count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" }) {
    integrations(search: $search, first: $count, after: $cursor, orderBy: NAME) @connection(key: "gallery_integrations") {
      totalCount
      categoryCounts {
        category
        count
      }
      statusCounts {
        status
        count
      }
      edges {
        node {
          id
          ...gallery_card
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

graphql`
  fragment gallery_card on Integration @refetchable(queryName: "galleryCardQuery") {
    id
    name
    displayName
    status
    installedAt
    params
    secretNames
    missingFields
  }
`;

graphql`
  query galleryEntryQuery($by: IntegrationRef!) {
    integration(by: $by) {
      ...gallery_card
      fields {
        name
        part
        secret
        pattern
      }
    }
  }
`;

graphql`
  mutation galleryValidateMutation($input: ValidateInstallationInput!) {
    validateInstallation(input: $input) {
      valid
      missingFields
      userErrors {
        code
        message
        pointer
      }
    }
  }
`;

graphql`
  mutation galleryInstallMutation($input: InstallIntegrationInput!) {
    installIntegration(input: $input) {
      changed
      integration {
        ...gallery_card
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`;

graphql`
  mutation galleryUninstallMutation($input: UninstallIntegrationInput!) {
    uninstallIntegration(input: $input) {
      changed
      integration {
        ...gallery_card
      }
      userErrors {
        code
        message
      }
    }
  }
`;
