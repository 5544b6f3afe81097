// One entry: what it is, what it asks for, what was done with it.

import { type ReactNode, useState } from 'react';
import { flushSync } from 'react-dom';
import { asFailure, ask, type Failure, useAnswer } from './api';
import { Dialog } from './dialog';
import { EventList } from './events';
import { EntryForm } from './form';
import { Entry, type EntryFragment, Purge, Uninstall } from './operations';
import { Badges, Link, Monogram, Outside, PageHeading, Trouble } from './parts';
import { addressOf, EVERYTHING, listAddress } from './route';
import { useVisitor } from './visitor';
import { authKindNames, categoryName } from './words';

export function EntryPage({ name }: { name: string }) {
  const { data, failure, isLoading, retry } = useAnswer(Entry, { name });
  return (
    <article className="entry">
      <p>
        <Link to={listAddress()}>← All integrations</Link>
      </p>
      {failure ? (
        <>
          <PageHeading title={name} />
          <Trouble failure={failure} onRetry={retry} />
        </>
      ) : data?.integration ? (
        <KnownEntry loaded={data.integration} />
      ) : isLoading ? (
        <p role="status">Loading…</p>
      ) : (
        <>
          <PageHeading title="No such integration" />
          <p>
            This account’s catalog has no <code>{name}</code>.
          </p>
        </>
      )}
    </article>
  );
}

function KnownEntry({ loaded }: { loaded: EntryFragment }) {
  const [entry, setEntry] = useState(loaded);
  const [changes, setChanges] = useState(0);
  const [said, setSaid] = useState('');

  const begin = () => setSaid(''); // the same sentence twice would be read out once
  const changed = (next: EntryFragment, sentence: string) => {
    setEntry(next);
    setChanges(changes + 1);
    setSaid(sentence);
  };
  return (
    <>
      <header>
        <Monogram name={entry.name} displayName={entry.displayName} large />
        <div>
          <PageHeading title={entry.displayName} />
          <p className="chips">
            <Badges entry={entry} />
            {entry.status === 'AVAILABLE' && <span className="badge">Not installed</span>}
          </p>
        </div>
      </header>
      <p className="description">{entry.description}</p>
      <Facts entry={entry} />
      <p role="status" className={said ? 'said' : ''}>
        {said}
      </p>
      <section aria-labelledby="settings">
        <h2 id="settings">{entry.status === 'INSTALLED' ? 'Settings' : 'Install'}</h2>
        {entry.credentialsUrl && (
          <p>
            <Outside to={entry.credentialsUrl}>Make credentials at {entry.displayName}</Outside>
          </p>
        )}
        {/* Anew after every change: nothing that was typed is left in it. */}
        <EntryForm key={changes} entry={entry} onBegin={begin} onStored={changed} />
      </section>
      <Endings entry={entry} onBegin={begin} onChanged={changed} />
      <EventList name={entry.name} changes={changes} />
    </>
  );
}

function Facts({ entry }: { entry: EntryFragment }) {
  return (
    <dl className="facts">
      <Fact name="Category">
        <Link to={addressOf({ ...EVERYTHING, category: entry.category })}>{categoryName(entry.category)}</Link>
      </Fact>
      <Fact name="Sign-in">{entry.authKinds.map(kind => authKindNames[kind]).join(', ')}</Fact>
      {entry.tags.length > 0 && (
        <Fact name="Tags">
          <span className="chips">
            {entry.tags.map(tag => (
              <Link key={tag} className="chip" to={addressOf({ ...EVERYTHING, tag })}>
                {tag}
              </Link>
            ))}
          </span>
        </Fact>
      )}
      {(entry.homepageUrl || entry.docsUrl) && (
        <Fact name="Links">
          <span className="row">
            {entry.homepageUrl && <Outside to={entry.homepageUrl}>Homepage</Outside>}
            {entry.docsUrl && <Outside to={entry.docsUrl}>API documentation</Outside>}
          </span>
        </Fact>
      )}
      {entry.installedAt && (
        <Fact name="Installed">
          <time dateTime={entry.installedAt}>{new Date(entry.installedAt).toLocaleString()}</time>
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type EndingProperties = { entry: EntryFragment; onBegin: () => void; onChanged: (entry: EntryFragment, said: string) => void };

/** Uninstall and purge. */
function Endings({ entry, onBegin, onChanged }: EndingProperties) {
  const visitor = useVisitor();
  const [failure, setFailure] = useState<Failure>();
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const isInstalled = entry.status === 'INSTALLED';
  const hasData = Object.keys(entry.params).length > 0 || entry.secretNames.length > 0;
  if (!isInstalled && !hasData) return null;

  const end = async (attempt: () => Promise<Ended | null>, said: string) => {
    if (isBusy) return;
    onBegin();
    setFailure(undefined);
    setIsBusy(true);
    try {
      const ended = await attempt();
      const next = ended?.integration;
      if (!next) throw new Error(ended?.userErrors[0]?.message ?? 'No answer');
      flushSync(() => {
        settle();
        onChanged(next, said);
      });
      document.querySelector('h1')?.focus({ preventScroll: true }); // the button that was pressed may be gone
    } catch (reason) {
      settle();
      setFailure(asFailure(reason));
    }
  };
  const settle = () => {
    setIsBusy(false);
    setIsAsking(false);
  };
  const input = { integration: { name: entry.name } };
  const uninstall = async () => (await ask(visitor, Uninstall, { input })).uninstallIntegration;
  const purge = async () => (await ask(visitor, Purge, { input })).purgeInstallationData;

  return (
    <section aria-labelledby="endings">
      <h2 id="endings">{isInstalled ? 'Uninstall' : 'Stored data'}</h2>
      <p className="help">
        {isInstalled
          ? 'Uninstalling keeps what is stored for the next install. Purging uninstalls, and erases it for good.'
          : 'Not installed, but settings or secrets are still stored: they are in force again after the next install.'}
      </p>
      {failure && <Trouble failure={failure} />}
      <div className="row">
        {isInstalled && (
          <button type="button" aria-disabled={isBusy} onClick={() => void end(uninstall, `${entry.displayName} is uninstalled.`)}>
            Uninstall
          </button>
        )}
        <button type="button" className="danger" onClick={() => setIsAsking(true)}>
          Purge…
        </button>
      </div>
      {isAsking && (
        <Dialog title={`Purge ${entry.displayName}?`} onClose={() => setIsAsking(false)}>
          <p>
            All settings and secrets that <strong>{visitor.account || 'this account'}</strong> stored for {entry.displayName} are erased. Nothing brings
            them back.
          </p>
          <div className="row end">
            <button type="button" autoFocus onClick={() => setIsAsking(false)}>
              Cancel
            </button>
            <button type="button" className="danger" aria-disabled={isBusy} onClick={() => void end(purge, `What was stored for ${entry.displayName} is erased.`)}>
              Erase for good
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

type Ended = { integration: EntryFragment | null; userErrors: Array<{ message: string }> };
