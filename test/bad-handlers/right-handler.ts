// A right handler with node:http and node:crypto alone: what somebody writes who has read the rules and uses no library of
// ours. It verifies version 6 on the raw bytes, stores each event once, answers 200, and processes after that.
//
// Each step is a function of its own, so that a bad handler is this one with one step replaced.

import { createHash, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface Event {
  readonly id: string;
  readonly created_at: string;
  readonly type: string;
  readonly object: Readonly<Record<string, unknown>>;
}

export interface Message {
  readonly method: string;
  /** Path and query as the sender wrote them. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Signature {
  readonly components: readonly string[];
  /** The value of signature-input as it came. */
  readonly params: string;
  readonly keyId: string;
  readonly nonce: string;
  readonly created: number;
  readonly expires: number;
  readonly bytes: Buffer;
}

export interface Effect {
  readonly id: string;
  readonly type: string;
  readonly at: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Keys = ReadonlyMap<string, KeyObject>;

/** What one handler remembers. */
export interface Memory {
  readonly keys: Keys;
  readonly known: Set<string>;
  readonly nonces: Set<string>;
  readonly effects: Effect[];
}

/** Thrown by a step: the answer is known. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

export interface Steps {
  /** Before the body is read. */
  gate(request: IncomingMessage): void;
  readBody(request: IncomingMessage): Promise<Buffer>;
  headersOf(request: IncomingMessage): Readonly<Record<string, string>>;
  signatureOf(message: Message): Signature | undefined;
  requireCover(signature: Signature, message: Message): void;
  checkDigest(message: Message): void;
  checkTimes(signature: Signature): void;
  lineOf(component: string, message: Message): string;
  baseOf(signature: Signature, message: Message): string;
  keyOf(signature: Signature, memory: Memory): KeyObject | Promise<KeyObject>;
  checkSignature(signature: Signature, base: string, key: KeyObject): void;
  checkNonce(signature: Signature, memory: Memory): void;
  parse(message: Message): readonly Event[];
  /** Keeps what is new and gives it back. */
  store(events: readonly Event[], memory: Memory): readonly Event[];
  process(events: readonly Event[], memory: Memory): void;
  answer(events: readonly Event[]): Answer | Promise<Answer>;
}

const maxBodyBytes = 2 * 1024 * 1024;
const skewSeconds = 30;

export const rightSteps: Steps = {
  gate(request) {
    if (request.method !== 'POST') throw new Refused(405, 'POST only');
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new Refused(415, 'JSON only');
  },

  async readBody(request) {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      if (size > maxBodyBytes) throw new Refused(413, 'too large');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  },

  headersOf: (request) =>
    Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),

  signatureOf({ headers }) {
    if (headers['upvest-signature-version'] !== undefined) throw new Refused(401, 'version 6 only');
    const input = /^sig1=(\(([^)]*)\)(;.*))$/.exec(headers['signature-input'] ?? '');
    const bytes = /^sig1=:([A-Za-z0-9+/]+={0,2}):$/.exec(headers['signature'] ?? '')?.[1];
    if (input === null || bytes === undefined) return undefined;
    const [, params = '', names = '', rest = ''] = input;
    const parameter = (name: string) => new RegExp(`;${name}="?([^";]+)"?`).exec(rest)?.[1] ?? '';
    return {
      components: [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name),
      params,
      keyId: parameter('keyid'),
      nonce: parameter('nonce'),
      created: Number(parameter('created')),
      expires: Number(parameter('expires')),
      bytes: Buffer.from(bytes, 'base64'),
    };
  },

  requireCover({ components }, { target }) {
    const needed = ['@method', '@path', 'digest', ...(target.includes('?') ? ['@query'] : [])];
    if (!needed.every((name) => components.includes(name))) throw new Refused(401, 'not covered');
  },

  checkDigest({ headers, body }) {
    const received = Buffer.from(/^sha-256=(.+)$/i.exec(headers['digest'] ?? '')?.[1] ?? '', 'base64');
    const computed = createHash('sha256').update(body).digest();
    if (received.length !== computed.length || !timingSafeEqual(received, computed)) throw new Refused(401, 'digest');
  },

  checkTimes({ created, expires }) {
    const now = Date.now() / 1000;
    const isFresh = created <= now + skewSeconds && expires > created && expires > now - skewSeconds;
    if (!isFresh) throw new Refused(401, 'not fresh');
  },

  lineOf(component, { method, target, headers }) {
    const [path = '', query] = target.split(/\?(.*)/s);
    if (component === '@method') return `${component}: ${method}`;
    if (component === '@path') return `${component}: ${path}`;
    if (component === '@query') return `${component}: ?${query ?? ''}`;
    const value = headers[component];
    if (value === undefined) throw new Refused(401, `no ${component}`);
    return `${component}: ${value.trim()}`;
  },

  baseOf(signature, message) {
    const lines = signature.components.map((component) => this.lineOf(component, message));
    return [...lines, `@signature-params: ${signature.params}`].join('\n');
  },

  keyOf({ keyId }, { keys }) {
    const key = keys.get(keyId);
    if (key === undefined) throw new Refused(401, 'unknown key');
    return key;
  },

  checkSignature({ bytes }, base, key) {
    if (!verify('sha512', Buffer.from(base), key, bytes)) throw new Refused(401, 'signature');
  },

  checkNonce({ keyId, nonce }, { nonces }) {
    const name = `${keyId} ${nonce}`;
    if (nonces.has(name)) throw new Refused(401, 'replayed');
    nonces.add(name);
  },

  parse({ body }) {
    try {
      const { payload }: { payload: readonly Event[] } = JSON.parse(body.toString());
      if (Array.isArray(payload) && payload.every(({ id, object }) => id && object)) return payload;
    } catch {
      // Said below, for both.
    }
    throw new Refused(400, 'no package');
  },

  store(events, { known }) {
    const fresh: Event[] = [];
    for (const event of events) {
      if (known.has(event.id)) continue;
      known.add(event.id);
      fresh.push(event);
    }
    return fresh;
  },

  process(events, { effects }) {
    for (const { id, type } of events) effects.push({ id, type, at: new Date().toISOString() });
  },

  answer: () => ({ status: 200 }),
};

export function newMemory(keys: Keys): Memory {
  return { keys, known: new Set(), nonces: new Set(), effects: [] };
}

/** Everything between a message and its answer; frameworks bring the message. */
export async function take(message: Message, memory: Memory, steps: Steps): Promise<Answer> {
  const signature = steps.signatureOf(message);
  if (signature === undefined) throw new Refused(401, 'no signature');
  steps.requireCover(signature, message);
  steps.checkDigest(message);
  steps.checkTimes(signature);
  steps.checkSignature(signature, steps.baseOf(signature, message), await steps.keyOf(signature, memory));
  steps.checkNonce(signature, memory);
  const events = steps.parse(message);
  const fresh = steps.store(events, memory);
  const answer = await steps.answer(events);
  setImmediate(() => steps.process(fresh, memory));
  return answer;
}

export function listener(memory: Memory, steps: Steps): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    if (request.url === '/effects') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(memory.effects));
      return;
    }
    void respond(request, response, memory, steps);
  };
}

async function respond(request: IncomingMessage, response: ServerResponse, memory: Memory, steps: Steps) {
  let answer: Answer;
  try {
    steps.gate(request);
    const body = await steps.readBody(request);
    const message = {
      method: request.method ?? '',
      target: request.url ?? '/',
      headers: steps.headersOf(request),
      body,
    };
    answer = await take(message, memory, steps);
  } catch (error) {
    answer = { status: error instanceof Refused ? error.status : 500 };
  }
  response.writeHead(answer.status, { ...answer.headers }).end();
  request.resume();
}

export function rightHandler(keys: Keys, faults: Partial<Steps> = {}): Server {
  return createServer(listener(newMemory(keys), { ...rightSteps, ...faults }));
}
