// Bad handlers on node:http: the right one with one step done as real integrations do it wrong.

import { createHash, verify } from 'node:crypto';
import type { Server } from 'node:http';
import { z } from 'zod';
import { type BadHandler, pause, serverOf } from './bad-handler.ts';
import {
  type Event,
  listener,
  newMemory,
  Refused,
  rightHandler,
  rightSteps,
  type Signature,
  type Steps,
} from './right-handler.ts';

const keyIdTrusted = ['wrong-key', 'other-digest', 'tampered-header', 'other-target'];

const handlers: readonly BadHandler[] = [
  {
    name: 'wrong-path',
    wrong: 'listens on another path',
    finds: ['single'],
    build: () => serverOf((_request, response) => response.writeHead(404).end('Not Found')),
  },
  { name: 'never-answers', wrong: 'forgets to answer', finds: ['single'], build: () => serverOf(() => {}) },

  // Reading the request
  faulty('first-chunk', 'takes the first chunk for the body', ['package-100', 'size-1mib', 'slow-body', 'utf-8'], {
    readBody: (request) => new Promise((resolve) => request.once('data', (chunk: Buffer) => resolve(chunk))),
  }),
  faulty('string-chunks', 'joins chunks as strings', ['utf-8'], {
    async readBody(request) {
      let body = '';
      for await (const chunk of request) body += chunk;
      return Buffer.from(body);
    },
  }),
  faulty('raw-header-case', 'looks headers up as the sender wrote them', ['header-case'], {
    headersOf({ rawHeaders }) {
      const headers: Record<string, string> = {};
      for (let at = 0; at < rawHeaders.length; at += 2) headers[rawHeaders[at] ?? ''] = rawHeaders[at + 1] ?? '';
      return headers;
    },
  }),
  faulty('gets-answered', 'answers GET with 200, for a load balancer', ['get'], {
    gate(request) {
      if (request.method === 'GET') throw new Refused(200, 'OK');
      rightSteps.gate(request);
    },
  }),

  // Contents
  faulty('strict-fields', 'validates with a strict schema', ['unknown-fields'], {
    parse: validated(
      z.strictObject({
        id: z.string(),
        created_at: z.string(),
        type: z.string(),
        object: z.unknown(),
        webhook_id: z.string(),
      }),
    ),
  }),
  faulty('closed-enum', 'validates status with a closed enum', ['unknown-enum'], {
    parse: validated(
      z.looseObject({
        object: z.looseObject({ status: z.enum(['NEW', 'PROCESSING', 'FILLED', 'CANCELLED']).optional() }),
      }),
    ),
  }),
  faulty('millisecond-timestamps', 'wants three fraction digits in created_at', ['nanoseconds'], {
    parse: validated(z.looseObject({ created_at: z.iso.datetime({ precision: 3 }) })),
  }),

  // Repeats
  faulty(
    'unique-violation',
    'inserts without on conflict: 500 for a known id',
    ['duplicate-in-package', 'duplicate-across-packages', 'duplicate-package'],
    {
      store(events, { known }) {
        for (const { id } of events) {
          if (known.has(id)) throw new Error('duplicate key value violates unique constraint');
          known.add(id);
        }
        return events;
      },
    },
  ),
  faulty(
    'conflict-for-known',
    'answers 409 when it knows the first event',
    ['duplicate-across-packages', 'duplicate-package'],
    {
      store(events, memory) {
        if (memory.known.has(events[0]?.id ?? '')) throw new Refused(409, 'already processed');
        return rightSteps.store(events, memory);
      },
    },
  ),
  faulty('upsert-twice', 'one upsert for the package: no row twice in it', ['duplicate-in-package'], {
    store(events, memory) {
      if (new Set(events.map(({ id }) => id)).size < events.length) throw new Error('cannot affect row a second time');
      return rightSteps.store(events, memory);
    },
  }),
  refusesStale(),

  // Keys and versions
  faulty('one-key', 'has one public key in its configuration', ['key-rotation'], {
    keyOf({ keyId }, { keys }) {
      const [first] = keys;
      if (first === undefined || first[0] !== keyId) throw new Refused(401, 'unknown key');
      return first[1];
    },
  }),
  faulty('version-15-only', 'knows the signatures of API calls only', ['single', 'version-6'], version15(true)),
  faulty('version-15-no-digest', 'checks the digest where there is a digest header', ['version-15'], version15(false)),

  // Refusals
  faulty('unsigned-accepted', 'verifies signatures where there are any', ['unsigned'], {
    signatureOf(message) {
      if (message.headers['signature-input'] === undefined) throw new Accepted();
      return rightSteps.signatureOf(message);
    },
  }),
  faulty('keyid-trusted', 'looks at keyid and digest, not at the signature', keyIdTrusted, { checkSignature() {} }),
  faulty('no-digest', 'does not compare the digest', ['tampered-body'], { checkDigest() {} }),
  faulty('constant-accept', 'builds the base with accept: */* from a constant', ['tampered-header'], {
    lineOf: (component, message) => (component === 'accept' ? 'accept: */*' : rightSteps.lineOf(component, message)),
  }),
  faulty('constant-content-type', 'builds the base with a constant content-type', ['wrong-content-type'], {
    gate({ method }) {
      if (method !== 'POST') throw new Refused(405, 'POST only');
    },
    lineOf: (component, message) =>
      component === 'content-type' ? 'content-type: application/json' : rightSteps.lineOf(component, message),
  }),
  faulty('query-not-covered', 'does not ask for @query', ['other-target'], { requireCover() {} }),
  faulty('no-clock', 'does not look at created and expires', ['expired', 'from-the-future'], { checkTimes() {} }),
  faulty('expires-only', 'looks at expires, not at created', ['from-the-future'], {
    checkTimes({ expires }) {
      if (expires < Date.now() / 1000 - 30) throw new Refused(401, 'expired');
    },
  }),
  faulty('no-nonces', 'does not remember nonces', ['replayed-nonce'], { checkNonce() {} }),
  faulty('waits-for-key', 'waits for an unknown key to be published', ['unknown-key'], {
    keyOf({ keyId }, { keys }) {
      return keys.get(keyId) ?? new Promise(() => {});
    },
  }),
  {
    name: 'refuses-with-500',
    wrong: 'lets every error become a 500',
    finds: ['refusal-status'],
    build(keys) {
      const right = listener(newMemory(keys), rightSteps);
      return serverOf((request, response) => {
        const writeHead = response.writeHead.bind(response);
        response.writeHead = (status: number) => writeHead(status === 401 || status === 400 ? 500 : status);
        right(request, response);
      });
    },
  },

  // Standing
  faulty('broken-json-swallowed', 'takes broken JSON for an empty package', ['broken-json'], {
    parse(message) {
      try {
        return rightSteps.parse(message);
      } catch {
        return [];
      }
    },
  }),
  {
    name: 'dies-of-broken-json',
    wrong: 'JSON.parse outside of any catch ends the process',
    finds: ['broken-json'],
    build(keys) {
      const server = rightHandler(keys, {
        parse(message) {
          try {
            return rightSteps.parse(message);
          } catch (error) {
            die(server);
            throw error;
          }
        },
      });
      return server;
    },
  },
  {
    name: 'dies-of-aborted-body',
    wrong: 'an unhandled error of the request ends the process',
    finds: ['aborted-body'],
    build(keys) {
      const server = rightHandler(keys, {
        async readBody(request) {
          try {
            return await rightSteps.readBody(request);
          } catch (error) {
            die(server);
            throw error;
          }
        },
      });
      return server;
    },
  },
  {
    name: 'swallows-client-errors',
    wrong: 'a clientError listener that does not end the socket',
    finds: ['huge-header'],
    build: (keys) => rightHandler(keys).on('clientError', () => {}),
  },
  {
    name: 'adds-nothing',
    wrong: 'builds the base from every header that came',
    finds: ['extra-headers'],
    build: (keys) =>
      rightHandler(keys, {
        baseOf(signature, message) {
          const own = /^(host|connection|signature.*|x-.*|user-agent|accept-encoding)$/;
          const extra = Object.keys(message.headers).filter(
            (name) => !own.test(name) && !signature.components.includes(name),
          );
          return rightSteps.baseOf({ ...signature, components: [...signature.components, ...extra] }, message);
        },
      }),
  },

  // Speed
  faulty('works-before-answering', 'works 40 ms for each event before it answers', ['acknowledgement'], {
    async answer(events) {
      await pause(40 * events.length);
      return { status: 200 };
    },
  }),
  faulty('closes-connections', 'answers with connection: close', ['connection-reuse'], {
    answer: () => ({ status: 200, headers: { connection: 'close' } }),
  }),
  rateLimited(),

  // Effects
  faulty('first-event-only', 'processes payload[0]', ['effects-once'], {
    process: (events, memory) => rightSteps.process(events.slice(0, 1), memory),
  }),
  faulty('no-deduplication', 'processes what it knows again', ['effects-once'], { store: (events) => events }),
  faulty('unordered-workers', 'processes events in parallel, as they come', ['effects-order'], {
    process(events, memory) {
      for (const event of events) setTimeout(() => rightSteps.process([event], memory), Math.random() * 300);
    },
  }),
  worksBeforeVerifying(),
];

export const plainHandlers: readonly BadHandler[] = handlers.map((handler) => ({
  ...handler,
  hasEffects: handler.finds.some((id) => id.startsWith('effects')),
}));

/** Thrown by a step: taken without further checks. */
class Accepted extends Refused {
  constructor() {
    super(200, 'accepted');
  }
}

function faulty(name: string, wrong: string, finds: readonly string[], faults: Partial<Steps>): BadHandler {
  return { name, wrong, finds, build: (keys) => rightHandler(keys, faults) };
}

function validated(event: z.ZodType): Steps['parse'] {
  return (message) => {
    const events = rightSteps.parse(message);
    if (!events.every((each) => event.safeParse(each).success)) throw new Refused(422, 'invalid event');
    return events;
  };
}

function die(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function refusesStale(): BadHandler {
  return {
    name: 'refuses-stale',
    wrong: 'answers 409 to events older than the last of their object',
    finds: ['out-of-order'],
    build(keys) {
      const latest = new Map<unknown, number>();
      return rightHandler(keys, {
        store(events, memory) {
          for (const { object, created_at } of events) {
            const at = Date.parse(created_at);
            if (at < (latest.get(object['id']) ?? 0)) throw new Refused(409, 'stale');
            latest.set(object['id'], at);
          }
          return rightSteps.store(events, memory);
        },
      });
    },
  };
}

function rateLimited(): BadHandler {
  return {
    name: 'rate-limited',
    wrong: 'answers 429 to more than 10 requests at a time',
    finds: ['concurrent-50'],
    build(keys) {
      let inFlight = 0;
      let arrivedAt = 0;
      // As long as others arrive nobody is answered: a sender that is slow to start 50 meets the limit too.
      const answer = async () => {
        while (performance.now() - arrivedAt < 150) await pause(25);
        return { status: 200 };
      };
      const right = listener(newMemory(keys), { ...rightSteps, answer });
      return serverOf((request, response) => {
        inFlight += 1;
        arrivedAt = performance.now();
        response.once('close', () => {
          inFlight -= 1;
        });
        if (inFlight > 10) response.writeHead(429).end();
        else right(request, response);
      });
    },
  };
}

function worksBeforeVerifying(): BadHandler {
  return {
    name: 'works-before-verifying',
    wrong: 'processes events before it verifies them',
    finds: ['effects-refused'],
    build(keys) {
      const seen = new Set<string>();
      const memory = newMemory(keys);
      return serverOf(
        listener(memory, {
          ...rightSteps,
          checkDigest(message) {
            const events = parsedOrNone(message.body).filter(({ id }) => !seen.has(id));
            for (const { id } of events) seen.add(id);
            rightSteps.process(unique(events), memory);
            rightSteps.checkDigest(message);
          },
          process() {},
        }),
      );
    },
  };
}

function parsedOrNone(body: Buffer): readonly Event[] {
  try {
    const { payload }: { payload: readonly Event[] } = JSON.parse(body.toString());
    return payload;
  } catch {
    return [];
  }
}

function unique(events: readonly Event[]): readonly Event[] {
  return [...new Map(events.map((event) => [event.id, event])).values()];
}

/** Version 15 done right, but for the one thing: it alone, or version 6 beside it and a digest that is only checked if sent. */
function version15(only: boolean): Partial<Steps> {
  const is15 = (headers: Readonly<Record<string, string>>) => headers['upvest-signature-version'] === '15';
  return {
    signatureOf(message): Signature | undefined {
      if (only && !is15(message.headers)) throw new Refused(401, 'version 15 only');
      const { 'upvest-signature-version': _, ...headers } = message.headers;
      return rightSteps.signatureOf({ ...message, headers });
    },
    requireCover: (signature, message) =>
      rightSteps.requireCover({ ...signature, components: [...signature.components, 'digest'] }, message),
    checkDigest(message) {
      const { headers, body } = message;
      if (!is15(headers)) rightSteps.checkDigest(message);
      else if (only) {
        const expected = `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
        if (headers['content-digest'] !== expected) throw new Refused(401, 'digest');
      }
    },
    baseOf(signature, message) {
      const base = rightSteps.baseOf(signature, message);
      return is15(message.headers) ? base.replaceAll(/^([^:]+):/gm, '"$1":') : base;
    },
    checkSignature({ bytes }, base, key) {
      if (!verify('sha512', Buffer.from(base), key, bytes)) throw new Refused(401, 'signature');
    },
  };
}
