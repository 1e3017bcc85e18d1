// Signed packages as the handler receives them, made before the clock runs: each with ids and a nonce of its own, and the
// rows that a plain insert of the same events would write. All are signed at one instant, which is also the receivers' clock,
// so that they are as good in the last round as in the first; what remembers nonces and ids is new in each.

import { generateSigningKey, type KeyLookup, sign, staticKeys, verificationKeyOf } from '@bellhop/signatures';
import { inFlight, rawEvents } from './events.ts';

export interface DeliveryRow {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly event: string;
}

export interface Delivery {
  readonly method: 'POST';
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly rows: readonly DeliveryRow[];
}

export interface Deliveries {
  readonly perPackage: number;
  readonly list: readonly Delivery[];
  readonly keys: KeyLookup;
  readonly publicKey: ReturnType<typeof verificationKeyOf>['publicKey'];
  readonly now: () => number;
}

const path = '/webhooks';
const webhookId = '5f8f2f0e-6c5b-4f0a-9d2e-2b6f0b6d7a11';

export async function makeDeliveries(perPackage: number, packages: number, version: 6 | 15 = 6): Promise<Deliveries> {
  const signedAt = Date.now();
  const key = await generateSigningKey('bench', 'ecdsa-p521');
  const verificationKey = verificationKeyOf(key);
  const list: Delivery[] = [];
  const numbers = Array.from({ length: packages }, (_, index) => index);
  await inFlight(numbers, 8, async () => {
    const rows = rawEvents(perPackage).map(({ id, type, body }) => ({
      id,
      type,
      key: /"object":\{"id":"([^"]+)"/.exec(body)?.[1] ?? '',
      event: `${body.slice(0, -1)},"webhook_id":"${webhookId}"}`,
    }));
    const body = Buffer.from(`{"payload":[${rows.map(({ event }) => event).join(',')}]}`);
    const own = { accept: '*/*', 'content-type': 'application/json' };
    const added = await sign({ method: 'POST', path, headers: own, body }, { key, version, now: () => signedAt });
    list.push({ method: 'POST', url: path, path, headers: { ...own, ...added }, body, rows });
  });
  const now = () => signedAt + 1_000;
  return { perPackage, list, keys: staticKeys([verificationKey]), publicKey: verificationKey.publicKey, now };
}
