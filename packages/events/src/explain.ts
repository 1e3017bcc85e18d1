// Turns ajv's error list into paths and messages for people. Of a union that matched no variant, only the variant that
// came closest is told: the others' complaints are noise.
import type { ErrorObject } from 'ajv';

export interface Violation {
  /** JSON pointer into what was validated; the empty string is the whole. */
  readonly path: string;
  readonly message: string;
}

const MAX_VIOLATIONS = 20;

export function explain(errors: readonly ErrorObject[], basePath: string): readonly Violation[] {
  return closestVariants(errors)
    .slice(0, MAX_VIOLATIONS)
    .map((error) => ({ path: basePath + pathOf(error), message: messageOf(error) }));
}

function closestVariants(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const union = errors
    .filter((error) => (error.keyword === 'oneOf' || error.keyword === 'anyOf') && !hasTwoMatches(error))
    .sort((a, b) => a.schemaPath.length - b.schemaPath.length)[0];
  if (union === undefined) return errors;
  const prefix = `${union.schemaPath}/`;
  const rest: ErrorObject[] = [];
  const variants = new Map<string, ErrorObject[]>();
  for (const error of errors) {
    if (error === union) continue;
    const sameValue = error.instancePath.startsWith(union.instancePath);
    if (!error.schemaPath.startsWith(prefix) || !sameValue) {
      rest.push(error);
      continue;
    }
    const variant = error.schemaPath.slice(prefix.length).split('/', 1)[0] ?? '';
    variants.set(variant, [...(variants.get(variant) ?? []), error]);
  }
  const reduced = [...variants.values()].map(closestVariants).sort((a, b) => a.length - b.length)[0] ?? [];
  return [...reduced, ...closestVariants(rest)];
}

/** `oneOf` also fails when two variants match; then no variant has complained. */
function hasTwoMatches(error: ErrorObject): boolean {
  return Array.isArray(error.params['passingSchemas']);
}

function pathOf(error: ErrorObject): string {
  const field = error.params['missingProperty'] ?? error.params['additionalProperty'];
  if (typeof field !== 'string') return error.instancePath;
  return `${error.instancePath}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function messageOf(error: ErrorObject): string {
  switch (error.keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not a known field';
    case 'enum':
      return `must be one of ${list(error.params['allowedValues'])}`;
    default:
      return error.message ?? `breaks the rule ${error.keyword}`;
  }
}

function list(values: unknown): string {
  return Array.isArray(values)
    ? values.map((value) => (value === '' ? '""' : String(value))).join(', ')
    : 'a fixed list';
}
