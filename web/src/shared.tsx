import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useRef } from 'react';

// A link can hold an operation: /graphiql?query=…&variables=…&operationName=…
// The page shows it in a tab of its own. Only a person runs it: it may be a mutation, and who wrote the link is not known.

const parameters = new URLSearchParams(window.location.search);

/** The operation of the link; nothing for a link without a query. */
export const shared = read();

function read(): { query: string; variables?: string; operationName?: string } | undefined {
  const query = parameters.get('query');
  if (!query) return undefined;
  return {
    query,
    variables: formatted(parameters.get('variables') ?? ''),
    operationName: parameters.get('operationName') || undefined,
  };
}

/** Variables as the examples have them; as they are, if they are not JSON. */
function formatted(variables: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(variables), null, 2);
  } catch {
    return variables || undefined;
  }
}

/** Selects the operation that the link names, once GraphiQL knows the operations of the document. */
export function SharedOperation({ name }: { name: string }) {
  const isKnown = useGraphiQL(state => state.operations?.some(operation => operation.name?.value === name));
  const { setOperationName } = useGraphiQLActions();
  const isDone = useRef(false);

  useEffect(() => {
    if (!isKnown || isDone.current) return;
    isDone.current = true;
    setOperationName(name);
  }, [isKnown, name, setOperationName]);

  return null;
}
