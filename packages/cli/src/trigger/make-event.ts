// Events of any type of the catalogue, with any field set, made offline and checked against the schema. A value from the
// command line is text; where the schema refuses the text and the text is JSON, the JSON value is taken. An unknown type
// or path is wrong usage and lists what is near.

import {
  categoryOf,
  ExampleError,
  type ExampleOptions,
  eventTypes,
  example,
  isEventType,
  isWellFormedType,
  type UndeliveredEvent,
} from '@bellhop/events';
import { type JsonSchema, objectSchema } from '@bellhop/events/schemas';
import { type CliError, usageError } from '../exit.ts';
import { inexactNumber, isRecord } from '../json.ts';
import { nearNames } from './near.ts';

export interface Assignment {
  /** Dotted, below `object`. */
  readonly path: string;
  /** Text may become JSON; a value is taken as it is, undefined removes the field. */
  readonly to: { readonly text: string } | { readonly value: unknown };
}

export interface EventWish {
  readonly type: string;
  readonly set: readonly Assignment[];
  readonly objectId?: string | undefined;
  /** The events about the same object so far, oldest first: this one is a later state of it. */
  readonly after?: readonly UndeliveredEvent[];
  readonly now?: () => number;
  /** A type that nobody knows is made up instead of refused. */
  readonly allowUnknown?: boolean | undefined;
}

export function makeEvent(wish: EventWish): UndeliveredEvent {
  if (!isEventType(wish.type)) return unknownEvent(wish);
  const values = new Map(wish.set.map(({ path, to }) => [path, 'text' in to ? to.text : to.value]));
  const texts = new Map(wish.set.flatMap(({ path, to }) => ('text' in to ? [[path, to.text] as const] : [])));
  for (;;) {
    try {
      return example(wish.type, { ...optionsOf(wish), set: Object.fromEntries(values) });
    } catch (error) {
      if (!(error instanceof ExampleError)) throw error;
      if (error.code === 'invalid_value' && readAsJson(error, texts, values)) continue;
      throw wrongSet(error, wish.type);
    }
  }
}

function optionsOf({ objectId, after = [], now = Date.now }: EventWish): ExampleOptions {
  return { after, now, ...(objectId === undefined ? {} : { objectId }) };
}

/** True when some refused text could be read as JSON: worth another try. */
function readAsJson(error: ExampleError, texts: Map<string, string>, values: Map<string, unknown>): boolean {
  const refused = error.violations.map(({ path }) => path.slice(1).replaceAll('/', '.'));
  const isRefused = (path: string) =>
    refused.some((at) => at === path || at.startsWith(`${path}.`) || path.startsWith(`${at}.`));
  // A union's complaint may name another field than the one that was set: then all of them are tried.
  const named = [...texts.keys()].filter(isRefused);
  let changed = false;
  for (const path of named.length > 0 ? named : [...texts.keys()]) {
    const value = parsedJson(texts.get(path) ?? '');
    if (value === undefined) continue;
    texts.delete(path);
    values.set(path, value);
    changed = true;
  }
  return changed;
}

/** Undefined when it is no JSON, or would come out as something else: then it stays text. */
function parsedJson(text: string): unknown {
  if (inexactNumber(text) !== undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function wrongSet(error: ExampleError, type: string): CliError {
  if (error.code === 'unknown_path') {
    const paths = schemaPaths(objectSchema(categoryOf(type)) ?? {});
    const near = nearNames(error.path ?? '', paths);
    const list = near.length > 0 ? `Near: ${near.join(', ')}.` : `There are: ${paths.slice(0, 12).join(', ')}.`;
    return usageError(
      `The object of ${type} has no field ${error.path}. ${list}`,
      `All of them: bellhop trigger ${type} --fields`,
    );
  }
  const more = error.violations
    .slice(0, 3)
    .map(({ path, message }) => `${path.slice(1).replaceAll('/', '.') || 'object'} ${message}`);
  return usageError(`${more.join('; ') || error.message}.`, `See the example: bellhop trigger ${type} --dry-run`);
}

function unknownEvent(wish: EventWish): UndeliveredEvent {
  const { type, allowUnknown, objectId, set, after = [], now = Date.now } = wish;
  if (!isWellFormedType(type)) throw usageError(`${type} is no event type: CATEGORY.ACTION.`, nearTypes(type));
  if (!allowUnknown)
    throw usageError(
      `The catalogue has no event type ${type}.${nearTypes(type)}`,
      'To send it all the same: --unknown',
    );
  // Nobody knows what an unknown type changes: all but its times is as it was.
  const known = after.findLast((event) => isEventType(event.type));
  const event = known === undefined ? undefined : example(known.type, optionsOf(wish));
  const before = event?.object ?? after.at(-1)?.object;
  const object: Record<string, unknown> = { ...(before ?? { id: objectId ?? crypto.randomUUID() }) };
  for (const { path, to } of set) {
    const value = 'text' in to ? parsedJson(to.text) : to.value;
    setBelow(object, path.split('.'), value === undefined && 'text' in to ? to.text : value);
  }
  return { id: crypto.randomUUID(), created_at: event?.created_at ?? new Date(now()).toISOString(), type, object };
}

/** Nobody knows the fields of an unknown type: what is missing on the way is made. */
function setBelow(object: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  const before = Object.hasOwn(object, name) ? object[name] : undefined;
  if (rest.length === 0) object[name] = value;
  else {
    const child = isRecord(before) ? { ...before } : {};
    setBelow(child, rest, value);
    object[name] = child;
  }
}

function nearTypes(type: string): string {
  const near = nearNames(type, eventTypes);
  return near.length > 0 ? ` Near: ${near.join(', ')}.` : ' All of them: bellhop trigger --list';
}

/** Dotted paths that can be set, `0` for the items of a list. */
export function schemaPaths(schema: JsonSchema): readonly string[] {
  const found = new Set<string>();
  const visit = (at: unknown, path: string, depth: number): void => {
    if (!isRecord(at) || depth > 6) return;
    for (const variants of [at['oneOf'], at['anyOf'], at['allOf']]) {
      if (Array.isArray(variants)) for (const variant of variants) visit(variant, path, depth);
    }
    const below = (name: string) => (path === '' ? name : `${path}.${name}`);
    if (isRecord(at['properties'])) {
      for (const [name, child] of Object.entries(at['properties'])) {
        found.add(below(name));
        visit(child, below(name), depth + 1);
      }
    }
    if (isRecord(at['items'])) visit(at['items'], below('0'), depth + 1);
  };
  visit(schema, '', 0);
  return [...found];
}

/** `object.status=FILLED`, `status=FILLED`. */
export function parseAssignment(flag: string, text: string): { readonly path: string; readonly text: string } {
  const at = text.indexOf('=');
  if (at < 1) throw usageError(`${flag} takes path=value, such as status=FILLED, not ${text}.`);
  return { path: text.slice(0, at).replace(/^object\./, ''), text: text.slice(at + 1) };
}
