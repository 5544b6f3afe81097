import 'graphiql/setup-workers/vite';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './style.css';

import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { initialHeaders, SharedHeaders } from './account';
import { exampleTabs } from './examples';
import { fetcher } from './fetcher';
import { shared, SharedOperation } from './shared';
import { storage } from './storage';

const headers = initialHeaders();

createRoot(document.getElementById('graphiql')!).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    defaultTabs={shared ? [shared, ...exampleTabs] : exampleTabs}
    initialVariables={shared?.variables}
    defaultHeaders={headers}
    defaultEditorToolsVisibility={shared?.variables ? 'variables' : 'headers'}
    inputValueDeprecation
    shouldPersistHeaders={false}
    showPersistHeadersSettings={false}
  >
    <GraphiQL.Logo>Patchbay</GraphiQL.Logo>
    <SharedHeaders initial={headers} />
    {shared?.operationName && <SharedOperation name={shared.operationName} />}
  </GraphiQL>,
);
