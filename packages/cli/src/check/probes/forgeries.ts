// Requests that look like deliveries and are none. Each has one fault, so that the answer tells which check is missing;
// each has to be refused, and its events must have no effect.

import { randomUUID } from 'node:crypto';
import { digest, generateSigningKey } from '@bellhop/signatures';
import { order, packageOf } from '../orders.ts';
import type { Probe, Stage } from '../probe.ts';
import { type Headers, type SignRequest, signWith } from '../signer.ts';
import { isAcknowledged, mustRefuse, unknown, type Verdict, worst } from '../verdict.ts';

interface Forgery {
  readonly headers: Headers;
  readonly body: Buffer;
}

const hour = 3600;

export const forgeries: readonly Probe[] = [
  forgery('unsigned', 'an unsigned request', 'Refuse a request without signature before anything else.', (stage) =>
    forged(stage, {}, ({ headers, body }) => {
      const { signature: _, 'signature-input': __, digest: ___, ...rest } = headers;
      return { headers: rest, body };
    }),
  ),
  forgery(
    'wrong-key',
    'a package signed with another key under the published keyid',
    'Verify the signature with the key that belongs to keyid; a known keyid proves nothing.',
    async (stage) => {
      const { keyId, body, url } = await facts(stage);
      const key = await generateSigningKey(keyId, 'ecdsa-p521');
      return { headers: await signWith(key, { url, body }), body: Buffer.from(body) };
    },
  ),
  forgery(
    'unknown-key',
    'a package signed with a key that nobody published',
    'Answer 401 for a keyid that is not in the published set, after fetching the set once more.',
    async (stage) => {
      const { body, url } = await facts(stage);
      const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');
      return { headers: await signWith(key, { url, body }), body: Buffer.from(body) };
    },
  ),
  forgery(
    'tampered-body',
    'a body that was changed after it was signed',
    'Compute the SHA-256 of the raw body and compare it with the digest header.',
    (stage) => forged(stage, {}, ({ headers, body }) => ({ headers, body: tampered(body) })),
  ),
  forgery(
    'other-digest',
    'a changed body whose digest was changed with it',
    'Verify the signature over the received digest header: a digest that fits its body is signed by nobody.',
    (stage) =>
      forged(stage, {}, ({ headers, body }) => {
        const changed = tampered(body);
        return { headers: { ...headers, digest: digest(changed) }, body: changed };
      }),
  ),
  forgery(
    'tampered-header',
    'a covered header that was changed',
    'Take every value of the signature base from the request, none from a constant.',
    (stage) => forged(stage, {}, ({ headers, body }) => ({ headers: { ...headers, accept: 'text/html' }, body })),
  ),
  forgery(
    'wrong-content-type',
    'text/plain, when application/json was signed',
    'Demand application/json, and take content-type in the signature base from the request.',
    (stage) =>
      forged(stage, {}, ({ headers, body }) => ({ headers: { ...headers, 'content-type': 'text/plain' }, body })),
  ),
  forgery(
    'expired',
    'a delivery of an hour ago',
    'Compare expires (and created) with the clock; allow 30 s of difference.',
    (stage) => forged(stage, timesFrom(-hour)),
  ),
  forgery('from-the-future', 'a delivery of the next hour', 'Refuse a created that is more than 30 s ahead.', (stage) =>
    forged(stage, timesFrom(hour)),
  ),
  {
    id: 'other-target',
    family: 'refusals',
    title: 'refuses a package that was signed for another URL',
    fix: 'Put @path and @query of the received request into the base, and demand @query where there is a query.',
    phase: 'together',
    async run(stage) {
      const elsewhere = new URL(stage.target);
      elsewhere.pathname = `${elsewhere.pathname.replace(/\/$/, '')}/other`;
      const verdict = await tryIt(stage, 'a package signed for another path', () =>
        forged(stage, { url: elsewhere.href }),
      );
      if (verdict.result !== 'pass' || stage.target.search !== '') return verdict;
      const extended = new URL(stage.target);
      extended.search = '?account=other';
      const second = await tryIt(stage, 'a package whose query was added after signing', () => forged(stage), extended);
      return worst([second, verdict]);
    },
  },
  {
    id: 'replayed-nonce',
    family: 'refusals',
    title: 'refuses the same request, sent twice',
    fix: 'Remember keyid and nonce until the signature has expired, after it was verified; a true retry has a new nonce.',
    phase: 'together',
    async run(stage) {
      const events = [order()];
      const body = packageOf(events);
      const headers = await stage.sign({ body });
      if (headers === undefined) return unknown('no key');
      const parcel = { headers, body: Buffer.from(body) };
      const answer = await stage.attempt(parcel, events);
      if (!isAcknowledged(answer)) return unknown('the first of the two was not acknowledged');
      return mustRefuse(await stage.attempt(parcel, events), 'the same request again, nonce and all');
    },
  },
];

function forgery(id: string, what: string, fix: string, make: (stage: Stage) => Promise<Forgery | undefined>): Probe {
  return {
    id,
    family: 'refusals',
    title: `refuses ${what}`,
    fix,
    phase: 'together',
    run: (stage) => tryIt(stage, what, () => make(stage)),
  };
}

async function tryIt(
  stage: Stage,
  what: string,
  make: () => Promise<Forgery | undefined>,
  to = stage.target,
): Promise<Verdict> {
  const made = await make();
  if (made === undefined) return unknown('no key');
  const { payload }: { payload: ReturnType<typeof order>[] } = JSON.parse(made.body.toString());
  return mustRefuse(await stage.attempt(made, payload, to), what);
}

/** A right delivery, and what `change` makes of it. */
async function forged(
  stage: Stage,
  request: Partial<SignRequest> = {},
  change: (made: Forgery) => Forgery = (made) => made,
): Promise<Forgery | undefined> {
  const body = packageOf([order()]);
  const headers = await stage.sign({ ...request, body });
  return headers === undefined ? undefined : change({ headers, body: Buffer.from(body) });
}

/** One value changed, the length kept, so that no other check has a reason to refuse. */
function tampered(body: Buffer): Buffer {
  return Buffer.from(body.toString().replace('"side":"BUY"', '"side":"SEL"'));
}

function timesFrom(offsetSeconds: number): { created: number; expires: number } {
  const created = Math.floor(Date.now() / 1000) + offsetSeconds;
  return { created, expires: created + 60 };
}

async function facts(stage: Stage): Promise<{ keyId: string; body: string; url: string }> {
  const body = packageOf([order()]);
  const headers = await stage.sign({ body });
  const keyId = /;keyid="([^"]+)"/.exec(headers?.['signature-input'] ?? '')?.[1] ?? '';
  return { keyId, body, url: stage.target.href };
}
