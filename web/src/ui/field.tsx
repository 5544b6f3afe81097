// One field of an entry's form: what it is called, where its value is found, what is wrong with it.

import { type Draft, type Field, idOf, textOf } from './draft';
import { Outside } from './parts';
import { authKindNames } from './words';

type Properties = {
  field: Field;
  isStored: boolean;
  fault?: string;
  draft: Draft;
  onType: (value: string | boolean) => void;
  onFate: (fate: 'replace' | 'remove' | 'keep') => void;
};

/** The element that takes the focus when something is wrong with the field. */
export const controlId = (field: Field) => `field-${idOf(field)}`;

export function FieldRow({ field, isStored, fault, draft, onType, onFate }: Properties) {
  const id = controlId(field);
  const fate = draft.fates[field.name];
  const isAsked = !isStored || fate === 'replace';
  const isBox = field.type === 'BOOLEAN';
  const describedBy = [field.help || field.docsUrl ? `${id}-help` : '', fault ? `${id}-fault` : ''].filter(Boolean).join(' ') || undefined;
  const name = (
    <>
      {field.label}
      {!field.required && <span className="optional"> optional</span>}
    </>
  );
  const control = isAsked && <Control field={field} id={id} describedBy={describedBy} isWrong={Boolean(fault)} value={draft.values[idOf(field)] ?? ''} onType={onType} />;

  return (
    <div className={`field${fault ? ' wrong' : ''}`}>
      {isBox && isAsked ? (
        <label className="box">
          {control} {name}
        </label>
      ) : isAsked ? (
        <label htmlFor={id}>{name}</label>
      ) : (
        <p className="label">{name}</p>
      )}
      {field.appliesTo.length > 0 && <p className="help">For {field.appliesTo.map(kind => authKindNames[kind]).join(', ')}</p>}
      {!isBox && control}
      {isStored && <StoredSecret field={field} id={isAsked ? undefined : id} fate={fate} onFate={onFate} />}
      {(field.help || field.docsUrl) && (
        <p className="help" id={`${id}-help`}>
          {field.help} {field.docsUrl && <Outside to={field.docsUrl} about={field.label}>Read more</Outside>}
        </p>
      )}
      {fault && (
        <p className="fault" id={`${id}-fault`}>
          {fault}
        </p>
      )}
    </div>
  );
}

type ControlProperties = {
  field: Field;
  id: string;
  describedBy?: string;
  isWrong: boolean;
  value: string | boolean;
  onType: (value: string | boolean) => void;
};

function Control({ field, id, describedBy, isWrong, value, onType }: ControlProperties) {
  const shared = { id, 'aria-describedby': describedBy, 'aria-invalid': isWrong, 'aria-required': field.required };
  if (field.type === 'BOOLEAN') {
    return <input {...shared} aria-required={undefined} type="checkbox" checked={value === true} onChange={event => onType(event.target.checked)} />;
  }
  const typed = { ...shared, value: String(value), onChange: (event: { target: { value: string } }) => onType(event.target.value) };
  if (field.type === 'ENUM') {
    return (
      <select {...typed}>
        <option value="">{isSet(field.default) ? `As usual: ${textOf(field.default)}` : 'Choose…'}</option>
        {field.enum.map(choice => (
          <option key={textOf(choice)}>{textOf(choice)}</option>
        ))}
      </select>
    );
  }
  const hint = isSet(field.default) ? textOf(field.default) : isSet(field.example) ? textOf(field.example) : undefined;
  const plain = { ...typed, placeholder: hint, autoCapitalize: 'none', spellCheck: false };
  // "off" is not enough: browsers offer to fill in the visitor's own password.
  const off = { autoComplete: field.secret ? 'new-password' : 'off' };
  if (field.multiline) return <textarea {...plain} {...off} rows={5} className={field.secret ? 'masked' : ''} />;
  return <input {...plain} {...off} type={field.secret ? 'password' : 'text'} inputMode={field.type === 'INTEGER' ? 'numeric' : undefined} />;
}

const isSet = (value: unknown) => value !== null && value !== undefined;

type StoredProperties = { field: Field; id?: string; fate?: 'replace' | 'remove'; onFate: Properties['onFate'] };

/** A stored secret is never shown: it can be kept, replaced or removed. */
function StoredSecret({ field, id, fate, onFate }: StoredProperties) {
  const says = { keep: 'Stored, not shown', replace: 'The stored value will be replaced', remove: 'Will be removed when you save' };
  const of = <span className="unseen"> {field.label}</span>;
  return (
    <div className="stored row" id={id} tabIndex={id ? -1 : undefined}>
      <span className={fate === 'remove' ? 'fault' : 'kept'}>{says[fate ?? 'keep']}</span>
      {fate ? (
        <button type="button" onClick={() => onFate('keep')}>
          Keep stored value{of}
        </button>
      ) : (
        <>
          <button type="button" onClick={() => onFate('replace')}>
            Replace{of}
          </button>
          <button type="button" onClick={() => onFate('remove')}>
            Remove{of}
          </button>
        </>
      )}
    </div>
  );
}
