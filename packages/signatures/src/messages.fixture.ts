// Messages and keys for tests: a delivery and an API call like those of the contract, and the shared fixed clock.
import {
  generateSigningKey,
  type HttpMessage,
  type KeyAlgorithm,
  type SigningKey,
  type SignOptions,
  sign,
  staticKeys,
  type Verification,
  type VerifyOptions,
  verificationKeyOf,
  verify,
} from './index.ts';

export const createdSeconds = 1_780_000_000;
export const clock = (): number => (createdSeconds + 1) * 1000;

const keys = new Map<KeyAlgorithm, Promise<SigningKey>>();

/** One key per algorithm and test file. */
export function keyOf(algorithm: KeyAlgorithm): Promise<SigningKey> {
  const key = keys.get(algorithm) ?? generateSigningKey(`key-${algorithm}`, algorithm);
  keys.set(algorithm, key);
  return key;
}

export interface PlainMessage extends HttpMessage {
  readonly headers: Readonly<Record<string, string>>;
}

export const apiCall: PlainMessage = {
  method: 'POST',
  path: '/webhooks',
  query: 'limit=10',
  headers: {
    accept: 'application/json',
    authorization: 'Bearer token',
    'content-type': 'application/json',
    'upvest-client-id': 'ebabcf4d-61c3-4942-875c-e265a7c2d062',
  },
  body: Buffer.from('{"title":"Grüße"}'),
};

export const readCall: PlainMessage = { method: 'GET', path: '/webhooks', headers: { accept: 'application/json' } };

export async function signed(
  message: PlainMessage,
  options: Partial<SignOptions> & { algorithm?: KeyAlgorithm } = {},
): Promise<PlainMessage> {
  const { algorithm = 'ed25519', ...rest } = options;
  const headers = await sign(message, { key: await keyOf(algorithm), version: 15, created: createdSeconds, ...rest });
  return { ...message, headers: { ...message.headers, ...headers } };
}

export async function judge(
  message: HttpMessage,
  options: Partial<VerifyOptions> & { algorithm?: KeyAlgorithm } = {},
): Promise<Verification> {
  const { algorithm = 'ed25519', ...rest } = options;
  return verify(message, { keys: staticKeys([verificationKeyOf(await keyOf(algorithm))]), now: clock, ...rest });
}

/** 'ok', or the reason: what most tests compare. */
export async function outcome(message: HttpMessage, options: Parameters<typeof judge>[1] = {}): Promise<string> {
  const result = await judge(message, options);
  return result.ok ? 'ok' : result.reason;
}

/** The message with some headers changed; undefined removes one. */
export function withHeaders(message: PlainMessage, changes: Record<string, string | undefined>): PlainMessage {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...message.headers, ...changes })) {
    if (value !== undefined) headers[name] = value;
  }
  return { ...message, headers };
}

export function header(message: PlainMessage, name: string): string {
  const value = message.headers[name];
  if (value === undefined) throw new Error(`The message has no ${name}`);
  return value;
}
