// Turns query strings and bodies into values and zod's issues into one sentence that names the field. Nothing here throws
// for any input; what a caller sent is shown back only shortened.
//
// JSON is read strictly: valid UTF-8, no byte order mark, no duplicate keys, at most 64 levels, no lone surrogates or NUL
// in texts (PostgreSQL stores neither).

import { z } from 'zod';
import { findJsonFault } from '../log/json-text.ts';
import type { BodyRule } from './route.ts';

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly detail: string };

const maxIssuesShown = 5;
/** No form or query of ours has more than a dozen. */
const maxPairs = 100;

/**
 * A repeated name gives an array, which no schema of a single value accepts. Counted before anything is taken apart: 64 KiB
 * hold 32,000 pairs, and the caller waits for none of them. Without a prototype, so that `__proto__` is a name like any other.
 */
export function readPairs(text: string, whole: 'query' | 'form'): Parsed<Record<string, string | string[]>> {
  if (hasMorePairs(text, maxPairs)) return { ok: false, detail: `${whole}: must have at most ${maxPairs} fields` };
  const fields: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    const earlier = fields[name];
    if (earlier === undefined) fields[name] = value;
    else if (Array.isArray(earlier)) earlier.push(value);
    else fields[name] = [earlier, value];
  }
  return { ok: true, value: fields };
}

function hasMorePairs(text: string, most: number): boolean {
  let count = 1;
  for (let at = text.indexOf('&'); at !== -1 && count <= most; at = text.indexOf('&', at + 1)) count += 1;
  return count > most;
}

/** `whole` names the value itself, for what is wrong with it and not with one of its fields. */
export function check<T>(schema: z.ZodType<T>, value: unknown, whole: 'path' | 'query' | 'form' | 'body'): Parsed<T> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, detail: sentenceOf(result.error.issues, whole) };
}

/** Ends with what it shows: there may be thousands of issues, and the caller waits for none of them. */
function sentenceOf(issues: readonly z.core.$ZodIssue[], whole: string): string {
  const details = new Set<string>();
  for (const issue of issues) {
    for (const detail of describeIssue(issue, whole)) {
      if (details.size === maxIssuesShown && !details.has(detail)) return `${[...details].join('; ')}; and more`;
      details.add(detail);
    }
  }
  return [...details].join('; ');
}

/**
 * A list whose length is checked before its elements: zod looks at all of them first, and each wrong one costs some
 * microseconds and an issue.
 */
export function listOf<T extends z.ZodType>(element: T, most: number) {
  return z.preprocess(
    (value, context) => {
      if (!Array.isArray(value) || value.length <= most) return value;
      context.addIssue({ code: 'custom', message: `must have at most ${most} elements` });
      return z.NEVER;
    },
    // Said again for the API's description.
    z.array(element).max(most),
  );
}

/** For `raw` rules the value is undefined: their handler reads the bytes. */
export function parseBody(rule: BodyRule<unknown>, bytes: Uint8Array, contentType: string | null): Parsed<unknown> {
  if (bytes.byteLength === 0) {
    if (rule.required) return { ok: false, detail: 'body: is required' };
    return rule.format === 'raw' ? { ok: true, value: undefined } : check(rule.schema, undefined, 'body');
  }
  const mediaType = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!rule.contentTypes.includes(mediaType)) {
    return { ok: false, detail: `content-type: must be ${rule.contentTypes.join(' or ')}` };
  }
  if (rule.format === 'raw') return { ok: true, value: undefined };
  const text = decodeUtf8(bytes);
  if (text === undefined) return { ok: false, detail: 'body: is not valid UTF-8' };
  if (rule.format === 'form') {
    const fields = readPairs(text, 'form');
    return fields.ok ? check(rule.schema, fields.value, 'form') : fields;
  }
  const json = parseJson(text);
  return json.ok ? check(rule.schema, json.value, 'body') : json;
}

export function parseJson(text: string): Parsed<unknown> {
  const fault = findJsonFault(text);
  if (fault) return { ok: false, detail: `body: is not valid JSON: ${fault.message}` };
  return { ok: true, value: JSON.parse(text) };
}

export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A text that can be stored and sent as it is. */
export function isStorableText(text: string): boolean {
  return !/\0|\p{Surrogate}/u.test(text);
}

/** Length as JSON Schema counts it. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function* describeIssue(issue: z.core.$ZodIssue, whole: string): Iterable<string> {
  const path = issue.path.map((part) => fieldName(String(part))).join('.');
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) yield `${path === '' ? '' : `${path}.`}${fieldName(key)}: unknown field`;
    return;
  }
  const isRepeated = (whole === 'query' || whole === 'form') && Array.isArray(issue.input);
  yield `${path === '' ? whole : path}: ${isRepeated ? 'must be given once' : sentence(issue)}`;
}

function sentence(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required';
      return `must be ${issue.expected === 'int' ? 'an integer' : article(issue.expected)}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    default:
      return issue.message;
  }
}

function article(noun: string): string {
  return `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** In quotes when it is not a plain word: `a: b` or an empty name would else read as another sentence. */
export function fieldName(name: string): string {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return /^[\p{L}\p{N}_-]+…?$/u.test(shown) ? shown : JSON.stringify(shown);
}
