// Example events made from the catalogue. `example` gives a new one at each call: new ids, times of now, a status that
// agrees with the type, valid against the schema. `catalogueExample` gives the fixed first-party one.
// Events about one object: with the same `objectId` they refer to the same user, account, …, and a later one is not older;
// only with `after` do they also agree on when the object was created, and is each strictly newer than the one before.
// Values such as amounts and names are those of the first-party example; `set` changes them.
import { carryOver } from './carry-over.ts';
import { isEventType, keyFieldOf } from './catalogue.ts';
import { type CategoryData, loadCategory, type TypeData } from './category-data.ts';
import type { UndeliveredEvent, WebhookEvent } from './event.ts';
import { freshIds, idsBeside, isPlain, isUuid, type Plain, uuidSource } from './fresh-ids.ts';
import { laterThan, moveTimes } from './fresh-times.ts';
import type { EventMap, EventType } from './index.ts';
import { categoryOf } from './match.ts';
import { setField } from './set-field.ts';
import { type Violation, validateObject } from './validate.ts';

/** From the change of a resource to its event. Always the same: what is made later must not look older. */
const LAG_MS = 20;
const MAX_AGE_MS = 600_000;

export interface ExampleOptions {
  readonly now?: () => number;
  /** 0 to below 1, as Math.random. With it (and `now`) the same event is made again; ids come from it too. */
  readonly random?: () => number;
  /** The resource that the event is about. What it refers to (user, account, …) follows from it. */
  readonly objectId?: string;
  /**
   * The events about the same resource so far, oldest first; they say what `objectId` is. The new one is later, and its object
   * is the last state but for what its type changes.
   */
  readonly after?: readonly UndeliveredEvent<string, object>[];
  /** Fields of `object` by dotted path, `{ 'executions.0.price': '85.22' }`; `undefined` removes a field. */
  readonly set?: Readonly<Record<string, unknown>>;
}

export type ExampleErrorCode = 'unknown_type' | 'unknown_path' | 'invalid_value';

/** `path` is dotted, as in `set`; `violations` lists all that the schema says. */
export class ExampleError extends Error {
  readonly code: ExampleErrorCode;
  readonly path: string | undefined;
  readonly violations: readonly Violation[];

  constructor(code: ExampleErrorCode, message: string, path?: string, violations: readonly Violation[] = []) {
    super(message);
    this.name = 'ExampleError';
    this.code = code;
    this.path = path;
    this.violations = violations;
  }
}

export function example<T extends EventType>(type: T, options?: ExampleOptions): UndeliveredEvent<T, EventMap[T]>;
export function example(type: string, options?: ExampleOptions): UndeliveredEvent;
export function example(type: string, options: ExampleOptions = {}): UndeliveredEvent {
  const { data, typeData } = lookUp(type);
  const { after = [], now = Date.now, random = Math.random } = options;
  const newId = uuidSource(options.random);
  const id = newId();
  const objectId = aboutWhat(after) ?? options.objectId;
  const created_at = laterThan(after.at(-1)?.created_at, now());
  const nowMs = Date.parse(created_at);

  const template = templateOf(data, typeData);
  const object = identified(template, typeData.key ?? data.key, objectId, newId);
  const isBirth = Object.keys(data.types)[0] === type;
  moveTimes(object, {
    exampleMs: Date.parse(data.example.created_at),
    latestMs: nowMs - LAG_MS,
    ageMs: isBirth ? 0 : 1000 + Math.floor(random() * MAX_AGE_MS),
  });
  const before = after.findLast((event) => haveOneShape(data, event.type, type));
  const beforeType = before === undefined ? undefined : data.types[before.type];
  if (before !== undefined && beforeType !== undefined) {
    carryOver(object, { ...before.object }, templateOf(data, beforeType), template);
  }
  if (options.set !== undefined) applySet(type, data, object, options.set);
  if (options.set !== undefined || objectId !== undefined) check(type, object);
  return { id, created_at, type, object };
}

/** The first-party example of a category, a copy of its own; undefined for an unknown category. */
export function catalogueExample(category: string): WebhookEvent | undefined {
  const data = loadCategory(category);
  return data === undefined ? undefined : structuredClone(data.example);
}

function lookUp(type: string): { data: CategoryData; typeData: TypeData } {
  const data = isEventType(type) ? loadCategory(categoryOf(type)) : undefined;
  const typeData = data?.types[type];
  if (data === undefined || typeData === undefined) {
    throw new ExampleError('unknown_type', `no example for the event type ${JSON.stringify(type)}`);
  }
  return { data, typeData };
}

function templateOf(data: CategoryData, { object, patch }: TypeData): Plain {
  return object ?? mergePatch(data.example.object, patch ?? {});
}

function aboutWhat(events: readonly UndeliveredEvent<string, object>[]): string | undefined {
  const last = events.at(-1);
  const key: unknown = last === undefined ? undefined : Reflect.get(last.object, keyFieldOf(last.type));
  return typeof key === 'string' ? key : undefined;
}

/** Whether the object of one type can be a later state of the other's: a type may have an object of its own. */
function haveOneShape(data: CategoryData, typeA: string, typeB: string): boolean {
  if (!Object.hasOwn(data.types, typeA)) return false;
  return typeA === typeB || [typeA, typeB].every((type) => data.types[type]?.object === undefined);
}

/** The key follows `objectId`, and so does every reference to it inside the object. */
function identified(template: Readonly<Plain>, key: string, objectId: string | undefined, newId: () => string): Plain {
  const renamed = new Map<string, string>();
  const old = template[key];
  const about = objectId ?? (isUuid(old) ? newId() : undefined);
  if (about === undefined) return freshIds(template, renamed, newId);
  if (isUuid(old)) renamed.set(old, about);
  return { ...freshIds(template, renamed, idsBeside(about)), [key]: about };
}

function applySet(type: string, data: CategoryData, object: Plain, set: Readonly<Record<string, unknown>>): void {
  for (const [path, value] of Object.entries(set)) {
    if (!setField(object, data.schema, path, structuredClone(value))) {
      throw new ExampleError('unknown_path', `the object of ${type} has no field ${path}`, path);
    }
  }
}

function check(type: string, object: Plain): void {
  const result = validateObject(type, object);
  if (result.ok) return;
  const [first] = result.errors;
  const path = (first?.path ?? '').slice(1).replaceAll('/', '.');
  throw new ExampleError('invalid_value', `${path || 'object'} ${first?.message ?? 'is invalid'}`, path, result.errors);
}

/** RFC 7386: null removes a field, an object is merged, anything else replaces. */
function mergePatch(target: Readonly<Plain>, patch: Readonly<Plain>): Plain {
  const merged: Plain = { ...target };
  for (const [field, value] of Object.entries(patch)) {
    const old = merged[field];
    if (value === null) delete merged[field];
    else merged[field] = isPlain(value) ? mergePatch(isPlain(old) ? old : {}, value) : value;
  }
  return merged;
}
