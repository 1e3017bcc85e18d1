// A request as text, as people copy it from a log: request line or URL, headers, an empty line, the body. And the question
// why its signature does not hold, asked in the order in which things usually go wrong.

import {
  type HttpMessage,
  type KeyLookup,
  messageTarget,
  readSignature,
  type Verification,
  verify,
} from '@bellhop/signatures';
import { usageError } from './exit.ts';

export interface SavedRequest {
  readonly method: string;
  /** Path and query, or a whole URL. */
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

export function parseSavedRequest(bytes: Buffer): SavedRequest {
  const crlf = bytes.indexOf('\r\n\r\n');
  const lf = bytes.indexOf('\n\n');
  const isCrlf = crlf !== -1 && (lf === -1 || crlf < lf);
  const end = isCrlf ? crlf : lf;
  const head = (end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8');
  const [first = '', ...lines] = head.split(/\r?\n/);
  const start = /^([A-Za-z]+) (\/\S*|https?:\/\/\S+)( HTTP\/[\d.]+)?$/.exec(first.trim());
  if (start === null)
    throw usageError(`The first line must be such as POST /webhooks HTTP/1.1, not ${first.slice(0, 60)}.`);
  const headers = lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      if (colon < 1) throw usageError(`This is no header: ${line.slice(0, 60)}.`);
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
    });
  const body = end === -1 ? Buffer.alloc(0) : bytes.subarray(end + (isCrlf ? 4 : 2));
  return { method: start[1] ?? 'POST', target: start[2] ?? '/', headers, body };
}

export interface Judgement {
  readonly result: Verification;
  /** What would make it hold. */
  readonly remedy: string | undefined;
  /** The signature's own time, when it has run out by now. */
  readonly expiredAt: Date | undefined;
}

/** `paths`: others that it may have been signed for. */
export async function judge(request: SavedRequest, keys: KeyLookup, paths: readonly string[]): Promise<Judgement> {
  const message = messageOf(request, request.target, request.body);
  const fields = readSignature(message);
  const created = fields.ok ? fields.created : undefined;
  const createdMs = created === undefined ? Date.now() : created * 1_000;
  const ask = (changed: HttpMessage) => verify(changed, { keys, now: () => createdMs });
  const result = await ask(message);
  const expires = fields.ok ? (fields.expires ?? fields.created + 300) : undefined;
  const expiredAt =
    expires !== undefined && expires * 1_000 < Date.now() - 30_000 ? new Date(expires * 1_000) : undefined;
  if (result.ok) return { result, remedy: undefined, expiredAt };
  return { result, remedy: await remedyOf(request, result.reason, ask, paths), expiredAt };
}

async function remedyOf(
  request: SavedRequest,
  reason: string,
  ask: (message: HttpMessage) => Promise<Verification>,
  paths: readonly string[],
): Promise<string | undefined> {
  if (reason === 'digest_mismatch' || reason === 'content_length_mismatch') {
    const text = request.body.toString('utf8');
    const trials = [
      ['without the line end at its end (an editor adds one)', text.replace(/\r?\n$/, '')],
      ['with LF for CRLF', text.replaceAll('\r\n', '\n')],
      ['as compact JSON: something parsed and wrote it again', compact(text)],
    ] as const;
    for (const [what, body] of trials) {
      if (body !== undefined && (await ask(messageOf(request, request.target, Buffer.from(body)))).ok)
        return `it holds ${what}`;
    }
    return 'the body is not the one that was signed: take the raw bytes, before any parser';
  }
  if (reason !== 'signature_mismatch') return undefined;
  const { path, query } = messageTarget(request.target);
  const suffix = query === undefined || query === '' ? '' : `?${query.replace(/^\?/, '')}`;
  const candidates = [...paths, `${path}/${suffix}`, `${path.replace(/\/+$/, '') || '/'}${suffix}`, path];
  for (const candidate of candidates) {
    if (candidate === request.target) continue;
    if ((await ask(messageOf(request, candidate, request.body))).ok) {
      return `the digest matches, the signature does not: signed for ${candidate}, you were called at ${request.target}`;
    }
  }
  return 'the digest matches, the signature does not: the path, a covered header or the key differs from what was signed';
}

function messageOf({ method, headers }: SavedRequest, target: string, body: Buffer): HttpMessage {
  return { method, ...messageTarget(target), headers, ...(body.byteLength > 0 ? { body } : {}) };
}

function compact(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
