// Writes src/ui/operations.ts: the gallery's operations, checked against schema.graphql, with the types of what goes in and comes out.
// With --check it writes nothing, and fails when the file is not what it would write. graphql-js is at hand for GraphiQL anyway; a code
// generator and its plugins would be fifty packages more for every build of the server.

import { readFileSync, writeFileSync } from 'node:fs';
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  Kind,
  parse,
  print,
  stripIgnoredCharacters,
  typeFromAST,
  validate,
  visit,
} from 'graphql';

const file = name => new URL(`../${name}`, import.meta.url);
const OUTPUT = 'src/ui/operations.ts';

const schema = buildSchema(readFileSync(file('../schema.graphql'), 'utf8'));
const document = parse(readFileSync(file('src/ui/operations.graphql'), 'utf8'));
const faults = validate(schema, document);
if (faults.length > 0) fail(faults.map(fault => `src/ui/operations.graphql: ${fault}`).join('\n'));

const SCALARS = {
  ID: 'string',
  String: 'string',
  Boolean: 'boolean',
  Int: 'number',
  DateTime: 'string',
  JSON: 'unknown',
  JSONObject: 'Record<string, unknown>',
};
const named = new Map(); // enums and inputs that are used, name -> declaration
const fragments = new Map();
const operations = [];
for (const definition of document.definitions) {
  if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  else operations.push(definition);
}

const declared = [
  ...[...fragments].map(([name, { typeCondition, selectionSet }]) => {
    return `export type ${name}Fragment = ${selected(schema.getType(typeCondition.name.value), selectionSet)};`;
  }),
  ...operations.map(operation => {
    const name = operation.name.value;
    const data = selected(schema.getRootType(operation.operation), operation.selectionSet);
    const variables = operation.variableDefinitions.map(({ variable, type }) => member(variable.name.value, typeFromAST(schema, type)));
    return `export const ${name}: Operation<${data}, ${braces(variables)}> = {\n  name: '${name}',\n  text: ${JSON.stringify(text(operation))},\n};`;
  }),
];
const source = `// Written by build/types.mjs from operations.graphql and schema.graphql: \`npm run types\`.

/** A document with the types of its answer and of its variables. */
export type Operation<Data, Variables> = { name: string; text: string; readonly types?: (variables: Variables) => Data };

${[...[...named.values()].sort(), ...declared].join('\n\n')}
`;

if (process.argv.includes('--check')) {
  if (readFileSync(file(OUTPUT), 'utf8') !== source) fail(`web/${OUTPUT} is stale: cd web && npm run types`);
} else {
  writeFileSync(file(OUTPUT), source);
}

/** The type of what is selected of an object. */
function selected(type, { selections }) {
  const members = selections.filter(({ kind }) => kind === Kind.FIELD).map(({ alias, name, selectionSet }) => {
    const field = type.getFields()[name.value];
    return `${(alias ?? name).value}: ${written(field.type, inner => (selectionSet ? selected(inner, selectionSet) : leaf(inner)))}`;
  });
  const spread = selections.filter(({ kind }) => kind === Kind.FRAGMENT_SPREAD).map(({ name }) => `${name.value}Fragment`);
  return [...spread, ...(members.length > 0 ? [braces(members)] : [])].join(' & ');
}

/** A type with its lists and nulls. */
function written(type, inside, isNullable = true) {
  if (isNonNullType(type)) return written(type.ofType, inside, false);
  const base = isListType(type) ? `Array<${written(type.ofType, inside)}>` : inside(type);
  return isNullable ? `${base} | null` : base;
}

/** A variable or a field of an input: what may be null may be absent. */
function member(name, type) {
  return `${name}${isNonNullType(type) ? '' : '?'}: ${written(type, leaf)}`;
}

function leaf(type) {
  if (isEnumType(type)) {
    named.set(type.name, `export type ${type.name} = ${type.getValues().map(({ name }) => `'${name}'`).join(' | ')};`);
  } else if (isInputObjectType(type)) {
    named.set(type.name, `export type ${type.name} = ${input(type)};`);
  } else {
    return SCALARS[type.name] ?? fail(`build/types.mjs does not know the scalar ${type.name}`);
  }
  return type.name;
}

function input(type) {
  const fields = Object.values(type.getFields());
  if (!type.isOneOf) return braces(fields.map(field => member(field.name, field.type)));
  return fields.map(field => braces([`${field.name}: ${written(field.type, leaf, false)}`])).join(' | ');
}

function braces(members) {
  return members.length > 0 ? `{ ${members.join('; ')} }` : 'Record<string, never>';
}

/** The operation with the fragments that it uses, in as few characters as will do. */
function text(operation) {
  const used = new Set();
  const gather = node =>
    visit(node, {
      FragmentSpread({ name }) {
        if (used.has(name.value)) return;
        used.add(name.value);
        gather(fragments.get(name.value));
      },
    });
  gather(operation);
  return stripIgnoredCharacters([operation, ...[...used].map(name => fragments.get(name))].map(print).join('\n'));
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
