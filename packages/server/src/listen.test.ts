// The listener against clients that hold on to it: slow, silent or many. The clients are real sockets.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, describe, expect, it } from 'vitest';
import { type Listener, type ListenLimits, listen } from './listen.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const open: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(limits: ListenLimits): Promise<Listener & { readonly handled: readonly string[] }> {
  const handled: string[] = [];
  const app = new Hono();
  app.use(async (context, next) => {
    handled.push(context.req.method);
    await next();
  });
  app.post('/', async (context) => context.text(String((await context.req.arrayBuffer()).byteLength)));
  app.get('/', (context) => context.text('ok'));
  app.post('/begun', (context) =>
    context.body(new ReadableStream({ start: (answer) => answer.enqueue(utf8('begun')) })),
  );
  app.get('/large', (context) => context.text('a'.repeat(64 * 1024 * 1024)));
  app.get('/never', () => new Promise(() => {}));
  app.onError((_error, context) => context.text('broken off', 400));
  const listener = await listen(app, '127.0.0.1', 0, limits);
  open.push(() => listener.close(0));
  return { ...listener, handled };
}

interface Slow {
  readonly socket: Socket;
  /** All that came until the end. */
  readonly ended: Promise<string>;
}

async function slow(url: string, text: string): Promise<Slow> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  open.push(() => void socket.destroy());
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  // A reset is an end, too.
  socket.on('error', () => socket.destroy());
  const ended = once(socket, 'close').then(() => received);
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return { socket, ended };
}

/** Over a connection of its own. */
function isServed(url: string): Promise<boolean> {
  return fetch(url, { headers: { connection: 'close' } }).then(
    (response) => response.ok,
    () => false,
  );
}

describe('the listener', () => {
  it('ends 500 connections that send headers slowly or nothing at all, and answers others meanwhile', async () => {
    const { url } = await start({ headersTimeoutMs: 1_000 });
    const texts = ['GET / HTTP/1.1\r\nhost: a\r\nx-', 'POST / HT', '', 'GET / HTTP/1.1\r\n'];
    const all = await Promise.all(Array.from({ length: 500 }, (_, index) => slow(url, texts[index % 4] ?? '')));
    for (const { socket } of all.slice(0, 100)) socket.write('a');
    expect(await (await fetch(url)).text()).toBe('ok');
    const answers = await Promise.all(all.map(({ ended }) => ended));
    expect(answers.filter((text) => text !== '' && !text.startsWith('HTTP/1.1 400'))).toEqual([]);
    expect(await (await fetch(url)).text()).toBe('ok');
  });

  it('ends a request whose body does not come', async () => {
    const { url } = await start({ headersTimeoutMs: 500, requestTimeoutMs: 1_000 });
    const { ended } = await slow(url, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123');
    await ended;
    expect(await (await fetch(url)).text()).toBe('ok');
  });

  it('cuts late clients that ignore its end, so that their places are free again', async () => {
    // What broke: a late request got an answer and the end of our side; a client that kept its own side open, and read
    // nothing, kept its connection for as long as it liked, and the cap's places with it.
    const { url } = await start({ headersTimeoutMs: 500, requestTimeoutMs: 500, maxConnections: 4 });
    const texts = ['GET / HTTP/1.1\r\nhost: a\r\nx-', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123'];
    const stubborn = await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
        open.push(() => void socket.destroy());
        socket.on('error', () => socket.destroy());
        await once(socket, 'connect');
        socket.write(texts[index % 2] ?? '');
        return socket;
      }),
    );
    expect(await isServed(url)).toBe(false);
    await expect.poll(() => isServed(url), { timeout: 5_000 }).toBe(true);
    expect(stubborn.map((socket) => socket.destroyed)).toEqual([false, false, false, false]);
  });

  describe('with a crowd that is late at once', () => {
    // Node looks once a second: what comes in the first half of one is late at the same look, half a second before or after it.
    const limits = { headersTimeoutMs: 1_500, requestTimeoutMs: 1_500 };
    const unfinished = 'GET / HTTP/1.1\r\nhost: a\r\nx-';

    /** Resolves when the first of a hundred is cut; `last` is late with them, and last in turn. */
    async function crowdBefore(last: string) {
      const { url, handled } = await start(limits);
      const crowd = await Promise.all(Array.from({ length: 100 }, () => slow(url, unfinished)));
      const one = await slow(url, last);
      await Promise.race(crowd.map(({ ended }) => ended));
      return { crowd, handled, ...one };
    }

    it('cuts a few at a time', async () => {
      // What broke: all were cut in one turn of the loop, and as many came again; nobody else was answered meanwhile.
      const { crowd } = await crowdBefore(unfinished);
      expect(crowd.filter(({ socket }) => socket.closed).length).toBeLessThan(90);
      await Promise.all(crowd.map(({ ended }) => ended));
    });

    it('handles no request that is complete too late, and says so at once', async () => {
      const { socket, ended, crowd, handled } = await crowdBefore('POST / HTTP/1.1\r\nhost: a\r\nx-');
      socket.write('a: b\r\ncontent-length: 0\r\n\r\n');
      expect(await ended).toMatch(/^HTTP\/1\.1 400 .*took too long to arrive/s);
      expect(crowd.some((each) => !each.socket.closed)).toBe(true);
      expect(handled).toEqual([]);
    });

    it('answers a request whose body came before its turn, and the next one', async () => {
      const { socket, ended } = await crowdBefore('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123');
      socket.write('4567890');
      await once(socket, 'data');
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      expect((await ended).match(/HTTP\/1\.1 \d+|10(?=HTTP)|ok$/g)).toEqual([
        'HTTP/1.1 200',
        '10',
        'HTTP/1.1 200',
        'ok',
      ]);
    });
  });

  // What broke: a 400 was written into the chunks of the answer, or came as the answer to the request before.
  it.each([
    ['who is late with a body', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123', /^$/],
    [
      'while the answer has begun',
      'POST /begun HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123',
      /^HTTP\/1\.1 200 .*begun/s,
    ],
    ['who is late while another answer is awaited', 'GET /never HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nx-', /^$/],
    [
      'after a chunk whose size is none, while another answer is awaited',
      'GET /never HTTP/1.1\r\nhost: a\r\n\r\nPOST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      /^$/,
    ],
  ])('cuts without a word %s', async (_, text, received) => {
    const { url } = await start({ headersTimeoutMs: 500, requestTimeoutMs: 500 });
    const answer = await (await slow(url, text)).ended;
    expect(answer).toMatch(received);
    expect(answer).not.toContain('400');
  });

  it('cuts who asks for much and reads nothing, so that his place is free again', async () => {
    const { url } = await start({
      idleTimeoutMs: 500,
      headersTimeoutMs: 500,
      requestTimeoutMs: 500,
      maxConnections: 1,
    });
    const { socket } = await slow(url, 'GET /large HTTP/1.1\r\nhost: a\r\n\r\n');
    socket.pause();
    expect(await isServed(url)).toBe(false);
    await expect.poll(() => isServed(url), { timeout: 10_000 }).toBe(true);
    expect(socket.destroyed).toBe(false);
  });

  it('closes the connection beyond its cap and serves those it has', async () => {
    const { url } = await start({ maxConnections: 2 });
    const [one, two] = [await slow(url, ''), await slow(url, '')];
    expect(await (await slow(url, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')).ended).toBe('');
    for (const { socket, ended } of [one, two]) {
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      expect(await ended).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*ok/);
    }
  });

  it.each([
    ['a URL', `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nhost: a\r\n\r\n`],
    ['a header', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`],
    ['many headers', `GET / HTTP/1.1\r\nhost: a\r\n${'x: aaaaaaa\r\n'.repeat(6_000)}\r\n`],
  ])('refuses %s beyond 32 KiB', async (_, text) => {
    const { url } = await start({});
    expect(await (await slow(url, text)).ended).toMatch(/^HTTP\/1\.1 400 [\s\S]*The headers are too large/);
  });

  // node:http answered these itself: no body, no request id.
  it.each([
    ['no host', '', /"detail":"host: is required"/],
    ['an expectation that nobody knows', 'host: a\r\nexpect: foo\r\n', /"detail":"expect: must be 100-continue"/],
  ])('refuses a request with %s as the API refuses', async (_, headers, detail) => {
    const { url } = await start({});
    const answer = await (await slow(url, `POST / HTTP/1.1\r\n${headers}content-length: 1\r\n\r\na`)).ended;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/);
    const id = /\r\nupvest-request-id: ([0-9a-f-]{36})\r\n/.exec(answer)?.[1] ?? 'none';
    expect(answer).toContain(`"request_id":"${id}"`);
    expect(answer).toMatch(detail);
  });

  it('serves HTTP/1.0 without a host, and who waits for 100', async () => {
    const { url } = await start({});
    expect(await (await slow(url, 'GET / HTTP/1.0\r\n\r\n')).ended).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*ok$/);
    const headers = 'host: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close';
    const { socket, ended } = await slow(url, `POST / HTTP/1.1\r\n${headers}\r\n\r\n`);
    await once(socket, 'data');
    socket.write('ab');
    expect(await ended).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*2$/);
  });

  it.each([
    ['two lengths', 'content-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['a length that hides in a list', 'content-length: 1, 1\r\n\r\na'],
    ['a length and chunks', 'content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['chunks that are not the last coding', 'transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n'],
    ['a chunk whose size is none', 'transfer-encoding: chunked\r\n\r\nzz\r\n\r\n'],
    ['a space before the colon', 'content-length : 1\r\n\r\na'],
    ['a folded line', 'x: a\r\n b: c\r\ncontent-length: 1\r\n\r\na'],
    ['a bare line feed', 'x: a\ncontent-length: 1\r\n\r\na'],
    ['a negative length', 'content-length: -1\r\n\r\n'],
    ['a length with a sign', 'content-length: +1\r\n\r\na'],
    ['a NUL', 'x: a\0b\r\ncontent-length: 1\r\n\r\na'],
  ])('refuses framing that two servers could read differently: %s', async (_, rest) => {
    const { url } = await start({});
    const text = `POST / HTTP/1.1\r\nhost: a\r\n${rest}GET /smuggled HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;
    const answer = await (await slow(url, text)).ended;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });
});
