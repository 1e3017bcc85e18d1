// Signed deliveries without a server: what the Investment API would send, byte for byte, with a key that is thrown away at
// the end of the process. Give `testKeys` to the handler under test. The key is made at its first use; it is the same for all
// deliveries of a process.
import { randomUUID } from 'node:crypto';
import type { KeyLookup, SignatureVersion, SigningKey } from '@bellhop/signatures';
import { generateSigningKey, messageTarget, sign, verificationKeyOf } from '@bellhop/signatures';
import type { Receiver } from '../adapters/node-exchange.ts';

/** An event as `example()` makes it, or with its `webhook_id`. */
export interface TestEvent {
  readonly id: string;
  readonly created_at: string;
  readonly type: string;
  readonly object: object;
  readonly webhook_id?: string;
}

export interface DeliveryOptions {
  /** Where it is sent to; path and query are signed. Default `https://receiver.test/webhooks`. */
  readonly url?: string;
  /** Default 6. */
  readonly version?: SignatureVersion;
  /** Default: a new one for each delivery, when the event has none. */
  readonly webhookId?: string;
  /** Milliseconds since 1970: the clock of the sender. */
  readonly now?: () => number;
  /** Default: the key behind `testKeys`. Another one makes a delivery that is refused. */
  readonly key?: SigningKey;
  readonly nonce?: string;
}

export interface SignedDelivery {
  readonly method: 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

const defaultUrl = 'https://receiver.test/webhooks';

let made: Promise<SigningKey> | undefined;

function testKey(): Promise<SigningKey> {
  made ??= generateSigningKey(`test-${randomUUID()}`, 'ecdsa-p521');
  return made;
}

/** The lookup for `createHandler({ keys: testKeys })`. */
export const testKeys: KeyLookup = {
  async find(keyId) {
    const key = await testKey();
    return keyId === key.keyId ? verificationKeyOf(key) : undefined;
  },
};

/** One package with these events, signed. `new Request(url, delivery)` takes it as it is. */
export async function signedDelivery(
  events: readonly TestEvent[],
  options: DeliveryOptions = {},
): Promise<SignedDelivery> {
  if (events.length === 0) throw new TypeError('A delivery has at least one event');
  return signedBody(packageOf(events, options.webhookId ?? randomUUID()), options);
}

/** The bytes of a package. */
export function packageOf(events: readonly TestEvent[], webhookId: string): Uint8Array<ArrayBuffer> {
  const payload = events.map((event) => ({ ...event, webhook_id: event.webhook_id ?? webhookId }));
  return new TextEncoder().encode(JSON.stringify({ payload }));
}

export async function signedBody(body: Uint8Array<ArrayBuffer>, options: DeliveryOptions): Promise<SignedDelivery> {
  const { url = defaultUrl, version = 6, now = Date.now, nonce } = options;
  const own = { accept: '*/*', 'content-type': 'application/json' };
  const key = options.key ?? (await testKey());
  const added = await sign(
    { method: 'POST', ...messageTarget(url), headers: own, body },
    { key, version, now, ...(nonce === undefined ? {} : { nonce }) },
  );
  return { method: 'POST', url, headers: { ...own, ...added }, body };
}

export interface DeliveryAnswer {
  readonly status: number;
  /** Why it was refused; undefined when it was taken. */
  readonly reason: string | undefined;
  readonly body: string;
}

/** Where deliveries go: a handler, or the URL of a running one. */
export type Target = Receiver | string;

/** Signs, delivers, answers: `await deliver(webhooks, [example('ORDER.FILLED')])`. Call `drain()` to run the listeners. */
export async function deliver(
  target: Target,
  events: readonly TestEvent[],
  options: DeliveryOptions = {},
): Promise<DeliveryAnswer> {
  const url = typeof target === 'string' ? { url: target } : {};
  return post(target, await signedDelivery(events, { ...url, ...options }));
}

export async function post(target: Target, delivery: SignedDelivery): Promise<DeliveryAnswer> {
  const { status, body } = typeof target === 'string' ? await fetched(delivery) : await target.receive(delivery);
  return { status, reason: status === 200 ? undefined : reasonOf(body), body };
}

async function fetched({ url, method, headers, body }: SignedDelivery): Promise<{ status: number; body: string }> {
  // fetch counts the bytes by itself and refuses to be told.
  const { 'content-length': _, ...sent } = headers;
  const response = await fetch(url, { method, headers: sent, body, redirect: 'manual' });
  return { status: response.status, body: await response.text() };
}

/** Undefined for an answer that is not the handler's own. */
function reasonOf(body: string): string | undefined {
  return /"reason":"([a-z_]+)"/.exec(body)?.[1];
}
