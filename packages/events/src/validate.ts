// Entry point `@bellhop/events/validate`: checks events against the catalogue's schemas, as the provider sends them.
// For the publishing side and for tests. A consumer should not refuse what fails here: the schemas forbid unknown
// fields and enum values, and the API adds both in minor versions.
// ajv is loaded and a category's schema compiled at first use.
import { createRequire } from 'node:module';
import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020.js';
import { isEventType } from './catalogue.ts';
import { type JsonSchema, loadCategory, loadEnvelope } from './category-data.ts';
import { explain, type Violation } from './explain.ts';
import { isInstant } from './instant.ts';
import { categoryOf } from './match.ts';

export type { Violation } from './explain.ts';

export type Validation = { readonly ok: true } | { readonly ok: false; readonly errors: readonly Violation[] };

export interface ValidateOptions {
  /**
   * `delivered` (default): all five fields. `published`: before delivery, so `webhook_id` is not allowed, and `id` and
   * `created_at` may be left out for the service to fill in.
   */
  readonly as?: 'delivered' | 'published';
}

type Side = NonNullable<ValidateOptions['as']>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const require = createRequire(import.meta.url);
const envelopes = new Map<Side, ValidateFunction>();
const objects = new Map<string, ValidateFunction>();
let compiler: Ajv2020 | undefined;

/** The envelope and, if the type is known, its object. The object of an unknown type may be any object. */
export function validateEvent(event: unknown, options: ValidateOptions = {}): Validation {
  const envelope = validate(envelopeValidator(options.as ?? 'delivered'), event, '');
  const { type, object } = typeof event === 'object' && event !== null ? fields(event) : {};
  if (typeof type !== 'string' || !isObject(object)) return envelope;
  return both(envelope, validateObject(type, object, '/object'));
}

/** The `object` of an event of the type. Paths begin with `basePath`. */
export function validateObject(type: string, object: unknown, basePath = ''): Validation {
  const validator = isEventType(type) ? objectValidator(categoryOf(type)) : undefined;
  if (validator !== undefined) return validate(validator, object, basePath);
  return isObject(object) ? { ok: true } : { ok: false, errors: [{ path: basePath, message: 'must be object' }] };
}

function both(first: Validation, second: Validation): Validation {
  const errors = [first, second].flatMap((result) => (result.ok ? [] : result.errors));
  return errors.length === 0 ? { ok: true } : { ok: false, errors };
}

function validate(validator: ValidateFunction, value: unknown, basePath: string): Validation {
  if (validator(value)) return { ok: true };
  return { ok: false, errors: explain(validator.errors ?? [], basePath) };
}

function fields(value: object): { type?: unknown; object?: unknown } {
  return value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectValidator(category: string): ValidateFunction | undefined {
  const cached = objects.get(category);
  if (cached !== undefined) return cached;
  const schema = loadCategory(category)?.schema;
  if (schema === undefined) return undefined;
  const validator = ajv().compile(schema);
  objects.set(category, validator);
  return validator;
}

function envelopeValidator(side: Side): ValidateFunction {
  const cached = envelopes.get(side);
  if (cached !== undefined) return cached;
  const { event } = loadEnvelope();
  const validator = ajv().compile(side === 'delivered' ? event : withoutDelivery(event));
  envelopes.set(side, validator);
  return validator;
}

function withoutDelivery(event: JsonSchema): JsonSchema {
  const properties = Object.entries(event['properties'] ?? {}).filter(([name]) => name !== 'webhook_id');
  return { ...event, properties: Object.fromEntries(properties), required: ['type', 'object'] };
}

function ajv(): Ajv2020 {
  if (compiler === undefined) {
    const { Ajv2020: Compiler }: typeof import('ajv/dist/2020.js') = require('ajv/dist/2020.js');
    const { default: addFormats }: typeof import('ajv-formats') = require('ajv-formats');
    compiler = new Compiler({ allErrors: true, strict: true, allowUnionTypes: true });
    addFormats.default(compiler, ['date', 'uri', 'email']);
    // Stricter than ajv-formats: real calendar dates and at most nine fraction digits; no `urn:uuid:`.
    compiler.addFormat('date-time', isInstant);
    compiler.addFormat('uuid', UUID);
  }
  return compiler;
}
