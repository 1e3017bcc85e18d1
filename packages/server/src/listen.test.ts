// The listener against clients that hold on to it: slow, silent or many. The clients are real sockets.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, describe, expect, it } from 'vitest';
import { type Listener, type ListenLimits, listen } from './listen.ts';

const open: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(limits: ListenLimits): Promise<Listener> {
  const app = new Hono();
  app.post('/', async (context) => context.text(String((await context.req.arrayBuffer()).byteLength)));
  app.get('/', (context) => context.text('ok'));
  app.onError((_error, context) => context.text('broken off', 400));
  const listener = await listen(app, '127.0.0.1', 0, limits);
  open.push(() => listener.close(0));
  return listener;
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
    const isServed = (): Promise<boolean> =>
      fetch(url, { headers: { connection: 'close' } }).then(
        (response) => response.ok,
        () => false,
      );
    expect(await isServed()).toBe(false);
    await expect.poll(isServed, { timeout: 5_000 }).toBe(true);
    expect(stubborn.map((socket) => socket.destroyed)).toEqual([false, false, false, false]);
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
