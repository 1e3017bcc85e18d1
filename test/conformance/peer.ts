// The other side of the wire, a second time: a client that signs and a receiver that verifies, written from the contract
// (signatures, api, delivery) with node:crypto and node:http alone. It shares no code with the packages, so that a mistake
// made on both sides of Bellhop shows here. It is strict where the contract is: what it lets pass is the contract's form.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomInt,
  randomUUID,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PeerKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly publicPem: string;
}

export type PeerAlgorithm = 'P-521' | 'P-384' | 'P-256' | 'Ed25519';

export function newPeerKey(algorithm: PeerAlgorithm = 'P-521'): PeerKey {
  const { privateKey, publicKey } =
    algorithm === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: algorithm });
  return { keyId: randomUUID(), privateKey, publicPem: String(publicKey.export({ type: 'spki', format: 'pem' })) };
}

export function peerKeyFromPem(keyId: string, privatePem: string): PeerKey {
  const privateKey = createPrivateKey(privatePem);
  const publicPem = String(createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));
  return { keyId, privateKey, publicPem };
}

/** `proxy`: the order, nonce and coverage of Upvest's own signing proxy. `documented`: the order of the documentation. */
export type SigningStyle = 'documented' | 'proxy';

export interface PeerRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface PeerSigning {
  readonly key: PeerKey;
  readonly version?: 6 | 15;
  readonly style?: SigningStyle;
  /** Unix seconds. */
  readonly created?: number;
  readonly expires?: number | null;
  readonly nonce?: string;
  /** Left out of the cover although sent. */
  readonly uncovered?: readonly string[];
}

const documentedOrder = [
  '@method',
  '@path',
  '@query',
  'accept',
  'authorization',
  'content-length',
  'content-type',
  'content-digest',
  'digest',
  'idempotency-key',
  'upvest-client-id',
];

/** All headers to send, signature included. */
export function signRequest(message: PeerRequest, signing: PeerSigning): Record<string, string> {
  const { version = 15, style = 'documented', uncovered = [] } = signing;
  const body = Buffer.from(message.body ?? '');
  const headers: Record<string, string> = { ...message.headers };
  if (body.length > 0) {
    headers['content-length'] = String(body.length);
    if (version === 15) headers['content-digest'] = `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
    else headers['digest'] = `SHA-256=${createHash('sha256').update(body).digest('base64')}`;
  }
  const hasQuery = message.target.includes('?');
  const digest = version === 15 ? 'content-digest' : 'digest';
  const names = Object.keys(headers);
  const components =
    style === 'documented'
      ? [
          ...documentedOrder.filter((name) =>
            name.startsWith('@') ? name !== '@query' || hasQuery : names.includes(name),
          ),
          ...names.filter((name) => !documentedOrder.includes(name)),
        ]
      : [
          ...names.filter((name) => name !== 'content-length' && name !== digest),
          '@method',
          '@path',
          ...(body.length > 0 ? [digest] : []),
          ...(hasQuery ? ['@query'] : []),
        ];
  const covered = components.filter((name) => !uncovered.includes(name));
  const created = signing.created ?? Math.floor(Date.now() / 1000);
  const expires = signing.expires === null ? '' : `;expires=${signing.expires ?? created + 60}`;
  const list = `(${covered.map((name) => `"${name}"`).join(' ')});keyid="${signing.key.keyId}";created=${created}`;
  const params =
    style === 'documented'
      ? `${list}${expires};nonce="${signing.nonce ?? randomUUID()}"`
      : `${list};nonce="${signing.nonce ?? tenDigits()}"${expires}`;
  const base = baseOf({ method: message.method, target: message.target, headers }, covered, params, version);
  const isEd25519 = signing.key.privateKey.asymmetricKeyType === 'ed25519';
  const signature = signBytes(isEd25519 ? null : 'sha512', base, signing.key.privateKey);
  return {
    ...headers,
    'signature-input': `sig1=${params}`,
    signature: `sig1=:${signature.toString('base64')}:`,
    ...(version === 15 ? { 'upvest-signature-version': '15' } : {}),
  };
}

function tenDigits(): string {
  return Array.from({ length: 10 }, () => randomInt(10)).join('');
}

export function baseOf(
  message: { method: string; target: string; headers: Readonly<Record<string, string>> },
  components: readonly string[],
  params: string,
  version: 6 | 15,
): Buffer {
  const mark = message.target.indexOf('?');
  const path = mark === -1 ? message.target : message.target.slice(0, mark);
  const quote = (name: string): string => (version === 15 ? `"${name}"` : name);
  const value = (name: string): string => {
    if (name === '@method') return message.method;
    if (name === '@path') return path || '/';
    if (name === '@query') return message.target.slice(mark);
    const found = message.headers[name];
    if (found === undefined) throw new TypeError(`No header ${name}`);
    return found.trim();
  };
  const lines = components.map((name) => `${quote(name)}: ${value(name)}`);
  return Buffer.from([...lines, `${quote('@signature-params')}: ${params}`].join('\n'), 'utf8');
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Undefined without a JSON body. */
  readonly json: unknown;
}

/** Sends exactly these headers and bytes; rejects when no answer came within 40 s. */
export function send(baseUrl: string, message: PeerRequest, headers = message.headers): Promise<PeerAnswer> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const call = request(
      { hostname, port, method: message.method, path: message.target, headers, timeout: 40_000 },
      (response) => {
        readAll(response).then((bytes) => {
          const text = bytes.toString('utf8');
          const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== '';
          resolve({
            status: response.statusCode ?? 0,
            headers: flat(response.headers),
            text,
            json: isJson ? JSON.parse(text) : undefined,
          });
        }, reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error(`No answer to ${message.method} ${message.target}`)));
    call.on('error', reject);
    call.end(message.body);
  });
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function flat(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

export interface PeerCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: PeerKey;
}

export interface PeerClient {
  token: string | undefined;
  authorize(scope: string): Promise<PeerAnswer>;
  call(method: string, target: string, body?: unknown, more?: Readonly<Record<string, string>>): Promise<PeerAnswer>;
}

export function createPeer(
  baseUrl: string,
  credentials: PeerCredentials,
  options: { version?: 6 | 15; style?: SigningStyle } = {},
): PeerClient {
  const { clientId, clientSecret, key } = credentials;
  const accept = options.style === 'proxy' ? '*/*' : 'application/json';
  const signed = (message: PeerRequest) => send(baseUrl, message, signRequest(message, { key, ...options }));

  const peer: PeerClient = {
    token: undefined,
    async authorize(scope) {
      const form = { client_id: clientId, client_secret: clientSecret, grant_type: 'client_credentials', scope };
      const answer = await signed({
        method: 'POST',
        target: '/auth/token',
        headers: { accept, 'content-type': 'application/x-www-form-urlencoded', 'upvest-client-id': clientId },
        body: new URLSearchParams(form).toString(),
      });
      const token: unknown = Object(answer.json).access_token;
      if (typeof token === 'string') peer.token = token;
      return answer;
    },
    call(method, target, body, more = {}) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      return signed({
        method,
        target,
        headers: {
          accept,
          ...(peer.token === undefined ? {} : { authorization: `Bearer ${peer.token}` }),
          ...(text === undefined ? {} : { 'content-type': 'application/json' }),
          'upvest-client-id': clientId,
          'upvest-api-version': '1',
          ...more,
        },
        body: text,
      });
    },
  };
  return peer;
}

export interface ReceivedDelivery {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly receivedAtMs: number;
}

export interface Jwk {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

/** What is wrong with a delivery of version 6, nothing when it is as the contract says. */
export function deliveryFaults(
  delivery: ReceivedDelivery,
  keys: readonly Jwk[],
  seenNonces: Set<string>,
  nowSeconds = delivery.receivedAtMs / 1000,
): string[] {
  const { method, target, headers, body } = delivery;
  const faults: string[] = [];
  const want = (isSo: boolean, fault: string): void => {
    if (!isSo) faults.push(fault);
  };
  want(headers['upvest-signature-version'] === undefined, 'it has a version header');
  const input = /^sig1=(\(((?:"[^"]+")(?: "[^"]+")*)\)((?:;[a-z]+=(?:"[^"]*"|\d+))+))$/.exec(
    headers['signature-input'] ?? '',
  );
  const signature = /^sig1=:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?):$/.exec(
    headers['signature'] ?? '',
  );
  if (!input?.[1] || !input[2] || !input[3] || !signature?.[1]) return ['no signature in the form of the contract'];
  const [, params, list, parameterText] = input;
  const components = list.split(' ').map((quoted) => quoted.slice(1, -1));
  const parameters = new Map(
    [...parameterText.matchAll(/;([a-z]+)=(?:"([^"]*)"|(\d+))/g)].map((match) => [match[1], match[2] ?? match[3]]),
  );
  want(new Set(components).size === components.length, 'a component is listed twice');
  for (const name of ['@method', '@path', 'digest', ...(target.includes('?') ? ['@query'] : [])]) {
    want(components.includes(name), `${name} is not covered`);
  }
  want(!components.includes('@signature-params'), '@signature-params is listed');
  for (const name of components) {
    want(['@method', '@path', '@query'].includes(name) || headers[name] !== undefined, `${name} is covered and absent`);
  }
  if (faults.length > 0) return faults;

  const digest = /^SHA-256=([A-Za-z0-9+/]{43}=)$/i.exec(headers['digest'] ?? '')?.[1];
  want(digest === createHash('sha256').update(body).digest('base64'), 'the digest is another');
  const [created, expires] = [Number(parameters.get('created')), Number(parameters.get('expires'))];
  want(created <= nowSeconds + 30, 'created lies in the future');
  want(expires > created && expires - created <= 300, 'expires is not a little after created');
  want(nowSeconds <= expires + 30, 'it has expired');

  const keyId = parameters.get('keyid') ?? '';
  const jwk = keys.find(({ kid }) => kid === keyId);
  if (!jwk) return [...faults, `the key ${keyId} is not published`];
  want(jwk.kty === 'EC' && jwk.crv === 'P-521', 'the key is no P-521 key');
  const publicKey = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  const base = baseOf({ method, target, headers }, components, params, 6);
  want(verifyBytes('sha512', base, publicKey, Buffer.from(signature[1], 'base64')), 'the signature is wrong');

  const nonce = parameters.get('nonce');
  want(nonce !== undefined && !seenNonces.has(`${keyId} ${nonce}`), 'the nonce is missing or was seen before');
  if (faults.length === 0) seenNonces.add(`${keyId} ${nonce}`);
  return faults;
}

export interface PeerReceiver {
  /** With a path and a query. */
  readonly url: string;
  readonly deliveries: ReceivedDelivery[];
  /** The status for the n-th request, from 0. */
  answer: (index: number) => number;
  close(): Promise<void>;
}

export async function startPeerReceiver(): Promise<PeerReceiver> {
  const deliveries: ReceivedDelivery[] = [];
  const server = createServer((call, response) => {
    readAll(call).then(
      (body) => {
        const index = deliveries.length;
        const { method = '', url: target = '' } = call;
        deliveries.push({ method, target, headers: flat(call.headers), body, receivedAtMs: Date.now() });
        response.writeHead(receiver.answer(index)).end();
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: PeerReceiver = {
    url: `http://127.0.0.1:${port}/hooks/upvest?tenant=a%20b&x=1`,
    deliveries,
    answer: () => 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}
