// Writes one field of an example by a dotted path ('executions.0.price'). A path that the schema does not describe is
// refused, also where the schema allows unknown fields: it is more likely a typo than a wish.
// Whether the value fits is the validator's question, asked when all fields are set.
import type { JsonSchema } from './category-data.ts';
import { isPlain, type Plain } from './fresh-ids.ts';

/** False when there is no such path. `undefined` as value removes the field. Without a schema every path is a path. */
export function setField(object: Plain, schema: JsonSchema | undefined, path: string, value: unknown): boolean {
  const segments = path.split('.');
  if (segments.some((segment) => segment === '' || segment === '__proto__')) return false;
  if (schema !== undefined && !describes(schema, segments)) return false;
  let holder: Plain | unknown[] = object;
  for (const [index, segment] of segments.slice(0, -1).entries()) {
    const next: unknown = read(holder, segment);
    if (isPlain(next) || Array.isArray(next)) {
      holder = next;
      continue;
    }
    if (next !== undefined && next !== null) return false;
    const created: Plain | unknown[] = /^\d+$/.test(segments[index + 1] ?? '') ? [] : {};
    if (!write(holder, segment, created)) return false;
    holder = created;
  }
  return write(holder, segments.at(-1) ?? '', value);
}

function describes(schema: JsonSchema, segments: readonly string[]): boolean {
  const [segment, ...rest] = segments;
  if (segment === undefined) return true;
  const variants = schema['oneOf'] ?? schema['anyOf'];
  if (Array.isArray(variants)) return variants.some((variant) => isPlain(variant) && describes(variant, segments));
  const properties = schema['properties'];
  if (isPlain(properties) && Object.hasOwn(properties, segment)) {
    const child = properties[segment];
    return isPlain(child) && describes(child, rest);
  }
  const items = schema['items'];
  return /^\d+$/.test(segment) && isPlain(items) && describes(items, rest);
}

function read(holder: Plain | unknown[], segment: string): unknown {
  return Object.hasOwn(holder, segment) ? Reflect.get(holder, segment) : undefined;
}

/** A list grows by one at a time: no holes. */
function write(holder: Plain | unknown[], segment: string, value: unknown): boolean {
  if (Array.isArray(holder)) {
    const index = Number(segment);
    if (!/^\d+$/.test(segment) || index > holder.length) return false;
    if (value === undefined) holder.splice(index, 1);
    else holder[index] = value;
    return true;
  }
  if (value === undefined) delete holder[segment];
  else holder[segment] = value;
  return true;
}
