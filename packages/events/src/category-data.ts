// Reads catalogue/*.json when first asked for, one category at a time. Importing the package costs no file access, so
// that a handler starts fast. `require` and not an import, because it is synchronous, and an import attribute prints a
// warning on Node.js 20. What is returned is shared and frozen.
import { createRequire } from 'node:module';
import { isCategory } from './catalogue.ts';

/** A JSON Schema of draft 2020-12, frozen. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export interface TypeData {
  readonly sourceVersion: string;
  /** JSON merge patch from the category's example object to one that fits this type. */
  readonly patch?: Readonly<Record<string, unknown>>;
  /** The whole object, where the type has a shape of its own. */
  readonly object?: Readonly<Record<string, unknown>>;
  readonly key?: string;
}

export interface CategoryData {
  readonly name: string;
  /** The field that tells which resource the object is about. */
  readonly key: string;
  readonly types: Readonly<Record<string, TypeData>>;
  readonly schema?: JsonSchema;
  readonly example: {
    readonly id: string;
    readonly created_at: string;
    readonly type: string;
    readonly object: Readonly<Record<string, unknown>>;
    readonly webhook_id: string;
  };
}

export interface EnvelopeData {
  readonly event: JsonSchema;
  readonly delivery: JsonSchema;
}

const require = createRequire(import.meta.url);
const loaded = new Map<string, CategoryData>();

/** Undefined for a category that this version does not know. */
export function loadCategory(name: string): CategoryData | undefined {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  // The guard also keeps a name from outside from becoming a path.
  if (!isCategory(name)) return undefined;
  const data: CategoryData = require(`../catalogue/${name}.json`);
  loaded.set(name, deepFreeze(data));
  return data;
}

export function loadEnvelope(): EnvelopeData {
  const data: EnvelopeData = require('../catalogue/envelope.json');
  return deepFreeze(data);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
