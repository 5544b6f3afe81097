// Who is looking: the account, and the key where the server asks for one.

import { type FormEvent, useId, useState } from 'react';
import { type Door, isAccount, recentAccounts, type Visitor } from './visitor';

type Properties = { door: Door; visitor: Visitor; onEnter: (visitor: Visitor) => void; onCancel?: () => void };

export function AccessForm({ door, visitor, onEnter, onCancel }: Properties) {
  const [account, setAccount] = useState(visitor.account);
  const [key, setKey] = useState(visitor.key);
  const [fault, setFault] = useState<{ field: 'account' | 'key'; message: string }>();
  const id = useId();
  const others = recentAccounts().filter(other => other !== visitor.account);

  const enter = (event: FormEvent) => {
    event.preventDefault();
    const found = faultOf(door, account.trim(), key.trim());
    setFault(found);
    if (found) document.getElementById(`${id}${found.field}`)?.focus();
    else onEnter({ account: account.trim(), key: key.trim() });
  };
  const describedBy = (field: 'account' | 'key') => `${id}${field}-help${fault?.field === field ? ` ${id}${field}-fault` : ''}`;

  return (
    <form onSubmit={enter} noValidate className="access">
      {door.takesKeys && (
        <div className="field">
          <label htmlFor={`${id}key`}>API key or token{!door.needsKey && <span className="optional"> optional</span>}</label>
          <input
            id={`${id}key`}
            type="password"
            autoComplete="off"
            value={key}
            onChange={event => setKey(event.target.value)}
            aria-describedby={describedBy('key')}
            aria-invalid={fault?.field === 'key'}
          />
          <p className="help" id={`${id}key-help`}>
            Kept in this page alone: it is gone when the page is reloaded or closed.
          </p>
          {fault?.field === 'key' && (
            <p className="fault" id={`${id}key-fault`}>
              {fault.message}
            </p>
          )}
        </div>
      )}
      <div className="field">
        <label htmlFor={`${id}account`}>Account{!door.needsAccount && <span className="optional"> optional</span>}</label>
        <input
          id={`${id}account`}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={account}
          onChange={event => setAccount(event.target.value)}
          aria-describedby={describedBy('account')}
          aria-invalid={fault?.field === 'account'}
        />
        <p className="help" id={`${id}account-help`}>
          {door.needsAccount ? 'Accounts need no registration; any name will do.' : 'Needed only with credentials for several accounts.'}
        </p>
        {fault?.field === 'account' && (
          <p className="fault" id={`${id}account-fault`}>
            {fault.message}
          </p>
        )}
      </div>
      {others.length > 0 && (
        <div role="group" aria-label="Used before" className="row">
          {others.map(other => (
            <button key={other} type="button" className="chip" onClick={() => setAccount(other)}>
              {other}
            </button>
          ))}
        </div>
      )}
      <div className="row end">
        {onCancel && (
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        )}
        <button type="submit" className="primary">
          Continue
        </button>
      </div>
    </form>
  );
}

function faultOf(door: Door, account: string, key: string): { field: 'account' | 'key'; message: string } | undefined {
  if (door.needsKey && !key) return { field: 'key', message: 'This server asks for an API key or a token.' };
  // What a header cannot carry: a browser would refuse to send it, in words that help nobody.
  if (/[^\x21-\x7e]/.test(key)) return { field: 'key', message: 'A key has no spaces and no special characters. Was all of it copied, and nothing else?' };
  if (!account && !door.needsAccount) return undefined;
  if (isAccount(account)) return undefined;
  return { field: 'account', message: 'Lower-case letters, digits, _ and -, at most 63, beginning with a letter or digit.' };
}
