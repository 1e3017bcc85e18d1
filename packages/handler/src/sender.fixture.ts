// The provider's side for the handler's tests: a signing key, signed deliveries over real HTTP, and a loopback server around
// a handler.
import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventType, ExampleOptions, WebhookEvent } from '@bellhop/events';
import { example } from '@bellhop/events';
import type { KeyLookup, SignatureVersion, SigningKey, SignOptions } from '@bellhop/signatures';
import { generateSigningKey, messageTarget, sign, staticKeys, verificationKeyOf } from '@bellhop/signatures';

export interface Sender {
  readonly key: SigningKey;
  readonly keys: KeyLookup;
  /** The headers and body of a signed delivery to a URL. */
  prepare(url: string, body: Body, options?: DeliveryOptions): Promise<Delivery>;
  post(url: string, body: Body, options?: DeliveryOptions): Promise<Response>;
}

/** Events, or a body of another kind. */
type Body = readonly object[] | string | Uint8Array;

export interface Delivery {
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface DeliveryOptions extends Partial<SignOptions> {
  readonly contentType?: string;
}

export async function createSender(): Promise<Sender> {
  const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');

  async function prepare(url: string, given: Body, options: DeliveryOptions = {}): Promise<Delivery> {
    const { contentType = 'application/json', version = 6, ...rest } = options;
    const text = Array.isArray(given) ? JSON.stringify({ payload: given }) : given;
    const body = typeof text === 'string' ? new TextEncoder().encode(text) : new Uint8Array(Buffer.from(bytesOf(text)));
    const own = { accept: '*/*', 'content-type': contentType };
    const message = { method: 'POST', ...messageTarget(url), headers: own, body };
    const added = await sign(message, { key, ...rest, version });
    return { headers: { ...own, ...added }, body };
  }

  return {
    key,
    keys: staticKeys([verificationKeyOf(key)]),
    prepare,
    async post(url, body, options) {
      const delivery = await prepare(url, body, options);
      const { 'content-length': _, ...headers } = delivery.headers;
      return fetch(url, { method: 'POST', headers, body: delivery.body, redirect: 'manual' });
    },
  };
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError('a body is events, a text or bytes');
}

/** A fresh event with the example object of its type. */
export function eventOf(type: EventType, options?: ExampleOptions): WebhookEvent {
  const { object, ...rest } = example(type, options);
  return { ...rest, object: { ...object }, webhook_id: randomUUID() };
}

export const bothVersions: readonly SignatureVersion[] = [6, 15];

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

export async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhooks?tenant=1`,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
