// The form of an entry, made from its fields: checked first, then stored.

import { type FormEvent, useEffect, useRef, useState } from 'react';
import { asFailure, ask, Failure } from './api';
import { type Draft, type Faults, faultsOf, firstDraft, idOf, inputOf, isStored, losesDigits, meantBy, NO_FAULTS } from './draft';
import { controlId, FieldRow } from './field';
import { type EntryFragment, Install, Validate } from './operations';
import { Trouble } from './parts';
import { useVisitor } from './visitor';

type Properties = { entry: EntryFragment; onBegin: () => void; onStored: (entry: EntryFragment, said: string) => void };

export function EntryForm({ entry, onBegin, onStored }: Properties) {
  const visitor = useVisitor();
  const [draft, setDraft] = useState<Draft>(() => firstDraft(entry));
  const [faults, setFaults] = useState<Faults>(NO_FAULTS);
  const [missing, setMissing] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const isInstalled = entry.status === 'INSTALLED';
  const isRetired = entry.state === 'DEPRECATED' && !isInstalled;

  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"], .wrong .stored, .faults')?.focus();
  }, [faults]);

  const store = async (isIncompleteWelcome: boolean) => {
    if (isBusy) return;
    onBegin();
    setFailure(undefined);
    setIsBusy(true);
    try {
      const found = await save(isIncompleteWelcome);
      setFaults(found?.faults ?? NO_FAULTS);
      setMissing(found?.isOnlyMissing ?? false);
    } catch (reason) {
      setFailure(asFailure(reason));
    } finally {
      setIsBusy(false);
    }
  };

  /** What is in the way, if anything is. */
  const save = async (isIncompleteWelcome: boolean): Promise<{ faults: Faults; isOnlyMissing: boolean } | undefined> => {
    const given = inputOf(entry, draft);
    if (given.params && losesDigits(given.params)) {
      throw new Failure('DIGITS', 'This has to be changed through the API', 'A stored param is a number with more digits than a browser keeps.');
    }
    const input = { integration: { name: entry.name }, ...given };
    const checked = (await ask(visitor, Validate, { input })).validateInstallation;
    const isOnlyMissing = checked?.userErrors.length === 0;
    if (checked && (!isOnlyMissing || (checked.missingFields.length > 0 && !isIncompleteWelcome))) {
      return { faults: faultsOf(entry, checked.userErrors, checked.missingFields), isOnlyMissing };
    }
    const stored = (await ask(visitor, Install, { input })).installIntegration;
    if (stored?.integration) {
      onStored(stored.integration, isInstalled ? 'Your changes are stored.' : `${entry.displayName} is installed.`);
      return undefined;
    }
    return { faults: faultsOf(entry, stored?.userErrors ?? [], []), isOnlyMissing: false };
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    void store(false);
  };
  const setFate = (name: string, id: string, controlOf: string, fate: 'replace' | 'remove' | 'keep') => {
    const { [name]: _, ...others } = draft.fates;
    setDraft({ values: { ...draft.values, [id]: '' }, fates: fate === 'keep' ? others : { ...others, [name]: fate } });
    requestAnimationFrame(() => document.getElementById(controlOf)?.focus()); // the button that was pressed is gone
  };

  return (
    <form ref={form} onSubmit={submit} noValidate aria-label={`${entry.displayName}: settings`} className="entry-form">
      {isRetired && <p className="notice">This entry is deprecated: it is no longer offered for new installations.</p>}
      {faults.others.length > 0 && (
        <ul className="faults fault" tabIndex={-1}>
          {faults.others.map(fault => (
            <li key={fault}>{fault}</li>
          ))}
        </ul>
      )}
      {entry.fields.map(field => (
        <FieldRow
          key={idOf(field)}
          field={field}
          isStored={isStored(entry, field)}
          fault={faults.byField[idOf(field)]}
          draft={draft}
          onType={value => setDraft({ ...draft, values: { ...draft.values, [idOf(field)]: value } })}
          onFate={fate => setFate(field.name, idOf(field), controlId(field), fate)}
        />
      ))}
      <OtherParams entry={entry} />
      <OtherSecrets entry={entry} draft={draft} onFates={fates => setDraft({ ...draft, fates })} />
      {entry.fields.length === 0 && <p>Nothing to fill in.</p>}
      {failure && <Trouble failure={failure} />}
      <div className="row">
        <button type="submit" className="primary" aria-disabled={isBusy || isRetired} disabled={isRetired}>
          {isBusy ? 'Just a moment…' : isInstalled ? 'Update' : 'Install'}
        </button>
        {missing && (
          <button type="button" onClick={() => void store(true)}>
            {isInstalled ? 'Update without it' : 'Install without it'}
          </button>
        )}
      </div>
    </form>
  );
}

/** Most names of stored params that are shown. */
const MAX_NAMES = 20;

/** Params that were stored under names which the form does not have. */
function OtherParams({ entry }: { entry: EntryFragment }) {
  const others = Object.keys(entry.params).filter(name => !entry.fields.some(field => !field.secret && field.name === name));
  if (others.length === 0) return null;
  return (
    <p className="help">
      Other stored params:{' '}
      {others.slice(0, MAX_NAMES).map((name, at) => (
        <span key={name}>
          {at > 0 && ', '}
          <code>{name}</code>
          <Meant entry={entry} name={name} />
        </span>
      ))}
      {others.length > MAX_NAMES && ` and ${others.length - MAX_NAMES} more`}
    </p>
  );
}

/** The field that an unknown name is probably a misspelling of. */
function Meant({ entry, name, secret = false }: { entry: EntryFragment; name: string; secret?: boolean }) {
  const field = meantBy(entry, name, secret);
  return field ? (
    <>
      {' '}
      (did you mean <code>{field.name}</code>?)
    </>
  ) : null;
}

/** Secrets that were stored under names which the form does not have. */
function OtherSecrets({ entry, draft, onFates }: { entry: EntryFragment; draft: Draft; onFates: (fates: Draft['fates']) => void }) {
  const others = entry.secretNames.filter(name => !entry.fields.some(field => field.secret && field.name === name));
  if (others.length === 0) return null;
  return (
    <fieldset>
      <legend>Other stored secrets</legend>
      {others.map(name => (
        <label key={name} className="box">
          <input
            type="checkbox"
            checked={draft.fates[name] === 'remove'}
            onChange={event => {
              const { [name]: _, ...rest } = draft.fates;
              onFates(event.target.checked ? { ...rest, [name]: 'remove' } : rest);
            }}
          />{' '}
          Remove <code>{name}</code>
          <Meant entry={entry} name={name} secret />
        </label>
      ))}
    </fieldset>
  );
}
