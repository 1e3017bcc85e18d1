// Reads problem documents (RFC 9457) as the API sends them and as older descriptions show them: `type` as a URL with
// British spelling or as a bare word with American spelling. Both give the same slug; a missing or useless type is
// derived from the status, so that a caller can always switch on `slug`. Total: never throws.
import type { Problem } from './errors.ts';
import { isRecord } from './json.ts';

const slugOfStatus: ReadonlyMap<number, string> = new Map([
  [400, 'bad_request'],
  [401, 'unauthorised'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [405, 'method_not_allowed'],
  [406, 'not_acceptable'],
  [409, 'conflict'],
  [422, 'unprocessable_entity'],
  [429, 'too_many_requests'],
  [500, 'internal'],
  [503, 'service_unavailable'],
  [504, 'gateway_timeout'],
]);

const otherSpellings: ReadonlyMap<string, string> = new Map([
  ['unauthorized', 'unauthorised'],
  ['internal_server_error', 'internal'],
  ['internal_error', 'internal'],
]);

/** The slug of a problem `type`, whatever its form; undefined when it says nothing. */
export function slugOf(type: string): string | undefined {
  const path = type.replace(/[?#].*$/s, '').replace(/\/+$/, '');
  const last = path
    .slice(path.lastIndexOf('/') + 1)
    .toLowerCase()
    .replaceAll('-', '_');
  if (last === '' || last.includes(':')) return undefined;
  return otherSpellings.get(last) ?? last;
}

export function problemOf(status: number, body: unknown): Problem {
  const record = isRecord(body) ? body : {};
  const type = text(record['type']);
  const said = type === undefined ? undefined : slugOf(type);
  // The published description shows `method_not_allowed` on a 503: there the status is right and the word is not.
  const useful = said === 'method_not_allowed' && status !== 405 ? undefined : said;
  return {
    status,
    slug: useful ?? slugOfStatus.get(status) ?? `status_${status}`,
    type,
    title: text(record['title']),
    detail: text(record['detail']),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
