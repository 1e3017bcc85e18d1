// Checks answers against the contract's OpenAPI file of 1.9.0, read from beside the repository. What came later
// (`exclude_type`, newer categories) is not in it; tests that use those do not ask it.

import { existsSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { parse } from 'yaml';
import { field, type HttpAnswer } from './api.fixture.ts';

const file = new URL('../../../../../shared/contract/upvest-openapi-1.9.0.yaml', import.meta.url);

export const hasContract = existsSync(file);

let document: unknown;
const validators = new Map<string, ReturnType<Ajv['compile']>>();

function resolve(node: unknown): unknown {
  const reference = field(node, '$ref');
  if (typeof reference !== 'string') return node;
  let target: unknown = document;
  for (const part of reference.replace('#/', '').split('/')) target = resolve(field(target, part));
  return target;
}

/** OpenAPI 3.0 writes references anywhere; the few that answers use are put in place. */
function inline(node: unknown): unknown {
  const resolved = resolve(node);
  if (Array.isArray(resolved)) return resolved.map(inline);
  if (typeof resolved !== 'object' || resolved === null) return resolved;
  return Object.fromEntries(Object.entries(resolved).map(([key, value]) => [key, inline(value)]));
}

/** What is wrong with an answer of this operation, '' when nothing is. */
export function contractFaults(method: string, path: string, answer: HttpAnswer): string {
  if (!hasContract) throw new TypeError('The contract is not here');
  document ??= parse(readFileSync(file, 'utf8'));
  const operation = field(field(field(document, 'paths'), path), method.toLowerCase());
  const response = resolve(field(field(operation, 'responses'), String(answer.status)));
  if (response === undefined) return `${method} ${path} has no answer ${answer.status}`;
  const content = field(response, 'content');
  if (content === undefined) return answer.text === '' ? '' : 'a body where none belongs';
  const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
  const media = field(content, type);
  if (media === undefined) return `no content type ${type}`;
  const name = `${method} ${path} ${answer.status} ${type}`;
  let validate = validators.get(name);
  if (!validate) {
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats.default(ajv);
    ajv.addFormat('url', (text: string) => URL.canParse(text));
    validate = ajv.compile(Object(inline(field(media, 'schema'))));
    validators.set(name, validate);
  }
  return validate(answer.json) ? '' : JSON.stringify(validate.errors);
}
