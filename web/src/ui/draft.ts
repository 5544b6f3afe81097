// What is typed into an entry's form, and the input that comes of it. A stored secret cannot be read back: it stays as it is until it is
// replaced or removed by name.

import type { EntryFragment, ProblemFragment } from './operations';

export type Field = EntryFragment['fields'][number];

/** By `params.region` style name: text as typed, or whether a box is ticked. */
export type Values = Record<string, string | boolean>;

export type Draft = {
  values: Values;
  /** Names of stored secrets, and what is to become of them; those that stay are not in it. */
  fates: Record<string, 'replace' | 'remove'>;
};

export const idOf = (field: Field) => `${field.part.toLowerCase()}.${field.name}`;

export const isStored = (entry: EntryFragment, field: Field) => field.secret && entry.secretNames.includes(field.name);

export function firstDraft(entry: EntryFragment): Draft {
  return { values: Object.fromEntries(entry.fields.map(field => [idOf(field), firstValue(entry, field)])), fates: {} };
}

function firstValue(entry: EntryFragment, field: Field): string | boolean {
  const stored = field.secret ? undefined : entry.params[field.name];
  if (field.type === 'BOOLEAN') return (stored ?? field.default) === true;
  if (stored === undefined || stored === null) return '';
  return typeof stored === 'string' ? stored : JSON.stringify(stored);
}

/** The input: params whole, if any of them is changed; of the secrets those that are given or go. */
export function inputOf(entry: EntryFragment, draft: Draft): { params?: Record<string, unknown>; secrets?: Record<string, unknown> } {
  const params: Record<string, unknown> = { ...entry.params };
  const secrets: Record<string, unknown> = {};
  const before = firstDraft(entry).values;
  let isChanged = false;
  for (const field of entry.fields) {
    const id = idOf(field);
    const typed = unlessBlank(draft.values[id] ?? '');
    if (field.secret) {
      const isKept = isStored(entry, field) && draft.fates[field.name] !== 'replace';
      const isGiven = typed !== '' && (typed !== false || field.required);
      if (!isKept && isGiven) secrets[field.name] = valueOf(field, typed);
      continue;
    }
    const isNeeded = field.type === 'BOOLEAN' && field.required && !(field.name in params);
    if (typed === before[id] && !isNeeded) continue;
    isChanged = true;
    if (typed === '') delete params[field.name];
    else params[field.name] = valueOf(field, typed);
  }
  for (const [name, fate] of Object.entries(draft.fates)) if (fate === 'remove') secrets[name] = null;
  return {
    ...(isChanged && { params }),
    ...(Object.keys(secrets).length > 0 && { secrets }),
  };
}

/** Blanks alone count as nothing: the server takes a required field with them as unset. */
const unlessBlank = (typed: string | boolean) => (typeof typed === 'string' && typed.trim() === '' ? '' : typed);

/** As the field's type has it, where the text is one; else the text itself, for the server to object to. */
function valueOf(field: Field, typed: string | boolean): unknown {
  if (typeof typed === 'boolean') return typed;
  if (field.type === 'INTEGER' && /^-?\d+$/.test(typed.trim()) && Number.isSafeInteger(Number(typed))) return Number(typed);
  if (field.type === 'ENUM') return field.enum.find(choice => textOf(choice) === typed) ?? typed;
  return typed;
}

export const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** Whether params that stay would lose digits on their way through a browser. */
export function losesDigits(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(losesDigits);
}

/** The field of the form that a name without one was probably meant for. */
export function meantBy(entry: EntryFragment, name: string, secret: boolean): Field | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const distances = entry.fields
    .filter(field => field.secret === secret)
    .map(field => ({ field, distance: distanceOf(plain(name), plain(field.name)) }))
    .filter(({ field, distance }) => distance <= Math.min(2, Math.floor(field.name.length / 3)));
  return distances.sort((a, b) => a.distance - b.distance)[0]?.field;
}

/** Levenshtein distance. Of a long name only the beginning is compared. */
function distanceOf(a: string, b: string): number {
  const [from, to] = [a.slice(0, 64), b.slice(0, 64)];
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

export type Faults = { byField: Record<string, string>; others: string[] };

export const NO_FAULTS: Faults = { byField: {}, others: [] };

/** Each problem by its field, the first one of each; what belongs to none stands above the form. */
export function faultsOf(entry: EntryFragment, problems: ProblemFragment[], missing: string[]): Faults {
  const faults: Faults = { byField: {}, others: [] };
  for (const { pointer, message } of problems) {
    const [part, name] = (pointer ?? '').split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const field = entry.fields.find(one => idOf(one) === `${part}.${name}`);
    if (field) faults.byField[idOf(field)] ??= `This ${sentence(message)}${forExample(field)}`;
    else faults.others.push(sentence(name ? `${name} ${message}` : message));
  }
  for (const id of missing) {
    if (entry.fields.some(field => idOf(field) === id)) faults.byField[id] ??= 'Needed: without it the integration cannot work.';
    else faults.others.push(`${id} is needed.`);
  }
  return faults;
}

const forExample = ({ example }: Field) => (example === null || example === undefined ? '' : ` For example: ${textOf(example)}`);

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);
