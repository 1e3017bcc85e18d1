// Every adapter inside its real framework, over real HTTP. Next.js is not booted: its route handlers are fetch functions, and
// its pages router is played by a node:http server that sets `body` the way its parser does.
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { serve as serveHono } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { describe, expect, it } from 'vitest';
import type { Handler, RejectReason } from '../index.ts';
import { createHandler, toFetch, toNode } from '../index.ts';
import type { Served } from '../sender.fixture.ts';
import { createSender, eventOf, serve } from '../sender.fixture.ts';
import { toExpress } from './express.ts';
import { toFastify } from './fastify.ts';
import { toHono } from './hono.ts';
import { toKoa } from './koa.ts';
import { nestBefore, nestController, nestWrongly } from './nestjs.fixture.ts';
import { toPagesApi, toRouteHandler } from './next.ts';

// Express 4 under another name, which has no types of its own.
const require = createRequire(import.meta.url);
const express4: typeof express = require('express4');

const sender = await createSender();

interface Mounted {
  readonly name: string;
  /** As the documentation says. */
  readonly rightly: (handler: Handler<undefined>) => Promise<Served>;
  /** Behind something that parses the body, and what the error then has to say. */
  readonly wrongly: (handler: Handler<undefined>) => Promise<Served>;
  readonly says: RegExp;
}

const mounted: readonly Mounted[] = [
  ...[
    { version: 4, create: express4 },
    { version: 5, create: express },
  ].map(({ version, create }) => ({
    name: `Express ${version}`,
    rightly: (handler: Handler<undefined>) => {
      const app = create();
      app.post('/webhooks', toExpress(handler));
      return serve(app);
    },
    wrongly: (handler: Handler<undefined>) => {
      const app = create();
      app.use(create.json({ limit: '5mb' }));
      app.post('/webhooks', toExpress(handler));
      return serve(app);
    },
    says: /Express.*app\.post\('\/webhooks', toExpress\(webhooks\)\) above app\.use\(express\.json\(\)\)/,
  })),
  {
    name: 'NestJS',
    rightly: nestBefore,
    wrongly: nestWrongly,
    says: /Express.*in NestJS, app\.use\(\) with it right after NestFactory/,
  },
  {
    name: 'Fastify 5',
    rightly: (handler) => {
      const app = fastify();
      app.register(toFastify(handler));
      return servedFastify(app);
    },
    wrongly: (handler) => {
      const app = fastify();
      app.addHook('onRequest', async (request) => {
        await request.raw.toArray();
      });
      app.register(toFastify(handler));
      return servedFastify(app);
    },
    says: /Fastify.*app\.register\(toFastify\(webhooks\)\)/,
  },
  {
    name: 'Hono',
    rightly: (handler) => {
      const app = new Hono();
      app.post('/webhooks', toHono(handler));
      return servedHono(app);
    },
    wrongly: (handler) => {
      const app = new Hono();
      app.use(async (context, next) => {
        await context.req.json();
        await next();
      });
      app.post('/webhooks', toHono(handler));
      return servedHono(app);
    },
    says: /Hono.*app\.post\('\/webhooks', toHono\(webhooks\)\)/,
  },
  {
    name: 'Koa',
    rightly: (handler) => {
      const app = new Koa();
      app.use(toKoa(handler));
      return serve(app.callback());
    },
    wrongly: (handler) => {
      const app = new Koa();
      app.use(async (context, next) => {
        Object.assign(context.request, { body: JSON.parse(Buffer.concat(await context.req.toArray()).toString()) });
        await next();
      });
      app.use(toKoa(handler));
      return serve(app.callback());
    },
    says: /Koa.*app\.use\(toKoa\(webhooks\)\) above app\.use\(bodyParser\(\)\)/,
  },
  {
    name: 'a Next.js route handler',
    rightly: (handler) => {
      const POST = toRouteHandler(handler);
      return servedHono({ fetch: (request) => POST(request) });
    },
    wrongly: (handler) => {
      const POST = toRouteHandler(handler);
      return servedHono({
        async fetch(request) {
          await request.json();
          return POST(request);
        },
      });
    },
    says: /Next\.js.*export const POST = toRouteHandler\(webhooks\)/,
  },
  {
    name: 'the pages router of Next.js',
    rightly: (handler) => serve(toPagesApi(handler)),
    wrongly: (handler) => {
      const api = toPagesApi(handler);
      return serve(async (request, response) => {
        const body: unknown = JSON.parse(Buffer.concat(await request.toArray()).toString());
        await api(Object.assign(request, { body }), response);
      });
    },
    says: /Next\.js.*export const config = \{ api: \{ bodyParser: false \} \}/,
  },
  {
    name: 'node:http',
    rightly: (handler) => serve(toNode(handler)),
    wrongly: (handler) => {
      const listener = toNode(handler);
      return serve(async (request, response) => {
        await request.toArray();
        listener(request, response);
      });
    },
    says: /before any body parser/,
  },
  {
    name: 'fetch',
    rightly: (handler) => servedHono({ fetch: toFetch(handler) }),
    wrongly: (handler) => {
      const answer = toFetch(handler);
      return servedHono({
        async fetch(request) {
          await request.arrayBuffer();
          return answer(request);
        },
      });
    },
    says: /before any body parser/,
  },
];

async function servedFastify(app: ReturnType<typeof fastify>): Promise<Served> {
  const origin = await app.listen({ port: 0, host: '127.0.0.1' });
  return {
    url: `${origin}/webhooks?tenant=1`,
    port: Number(new URL(origin).port),
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

async function servedHono(app: { fetch(request: Request): Response | Promise<Response> }): Promise<Served> {
  let opened: AddressInfo | undefined;
  const server = await new Promise<ReturnType<typeof serveHono>>((resolve) => {
    const created = serveHono({ fetch: (request) => app.fetch(request), port: 0, hostname: '127.0.0.1' }, (info) => {
      opened = info;
      resolve(created);
    });
  });
  const port = opened?.port ?? 0;
  return {
    url: `http://127.0.0.1:${port}/webhooks?tenant=1`,
    port,
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function receiver() {
  const rejected: RejectReason[] = [];
  const handler = createHandler({
    keys: sender.keys,
    hooks: { onRejected: ({ reason }) => rejected.push(reason) },
  });
  return { handler, rejected };
}

/** A package of some 1.5 MB: legal (1 MiB of events, or one larger event), and over the limit of most body parsers. */
function largePackage() {
  const event = eventOf('ORDER.FILLED');
  return [{ ...event, object: { ...event.object, note: 'ü'.repeat(750_000) } }];
}

describe.each(mounted)('the handler in $name', ({ rightly, wrongly, says }) => {
  it('takes a package of 1.5 MB', async () => {
    const { handler } = receiver();
    await using server = await rightly(handler);
    const response = await sender.post(server.url, largePackage());
    expect([response.status, await response.json()]).toEqual([200, { stored: 1, duplicates: 0 }]);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  });

  it('refuses a wrong signature with 401 and its reason', async () => {
    const { handler, rejected } = receiver();
    await using server = await rightly(handler);
    const elsewhere = await sender.prepare(`${server.url}2`, [eventOf('ORDER.FILLED')]);
    const { 'content-length': _, ...headers } = elsewhere.headers;
    const response = await fetch(server.url, { method: 'POST', headers, body: elsewhere.body });
    expect([response.status, await response.json()]).toMatchObject([401, { reason: 'signature_mismatch' }]);
    expect(rejected).toEqual(['signature_mismatch']);
  });

  it('refuses a body over its own limit with 413 and its reason, announced or not, and goes on', async () => {
    const { handler, rejected } = receiver();
    await using server = await rightly(handler);
    const announced = await sender.post(server.url, 'x'.repeat(3 * 1024 * 1024));
    expect([announced.status, await announced.json()]).toMatchObject([413, { reason: 'body_too_large' }]);

    const chunks = Array.from({ length: 48 }, () => new Uint8Array(65_536));
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.pop();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const streamed = await fetch(server.url, {
      method: 'POST',
      headers: json,
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect([streamed.status, await streamed.json()]).toMatchObject([413, { reason: 'body_too_large' }]);

    expect((await sender.post(server.url, [eventOf('ORDER.FILLED')])).status).toBe(200);
    expect(rejected).toEqual(['body_too_large', 'body_too_large']);
  });

  it('says what to write when the body was parsed before it', async () => {
    const { handler, rejected } = receiver();
    await using server = await wrongly(handler);
    const response = await sender.post(server.url, [eventOf('ORDER.FILLED')]);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ reason: 'body_consumed', detail: expect.stringMatching(says) });
    expect(rejected).toEqual(['body_consumed']);
  });
});

describe('frameworks that keep the bytes', () => {
  it.each([
    ['express.raw of Express 4', express4],
    ['express.raw of Express 5', express],
  ])('%s: its Buffer is taken', async (_name, create) => {
    const { handler } = receiver();
    const app = create();
    app.use(create.raw({ type: 'application/json', limit: '2mb' }));
    app.post('/webhooks', toExpress(handler));
    await using server = await serve(app);
    expect((await sender.post(server.url, largePackage())).status).toBe(200);
  });

  it('a verify hook of express.json that keeps rawBody is enough', async () => {
    const { handler } = receiver();
    const app = express();
    app.use(
      express.json({
        limit: '2mb',
        verify: (request, _response, buffer) => Object.assign(request, { rawBody: buffer }),
      }),
    );
    app.post('/webhooks', toExpress(handler));
    await using server = await serve(app);
    expect((await sender.post(server.url, [eventOf('ORDER.FILLED')])).status).toBe(200);
  });

  it('rawBody of NestJS and a limit of 2 MB let a controller take them', async () => {
    const { handler } = receiver();
    await using server = await nestController(handler);
    expect((await sender.post(server.url, largePackage())).status).toBe(200);
    expect((await sender.post(`${server.url}&b=2`, [eventOf('ORDER.FILLED')])).status).toBe(200);
    expect((await fetch(server.url, { method: 'POST', headers: json, body: '{"payload":[]}' })).status).toBe(401);
  });

  it('a router that is mounted below a path changes nothing', async () => {
    const { handler } = receiver();
    const app = express();
    app.use('/webhooks', toExpress(handler));
    await using server = await serve(app);
    expect((await sender.post(server.url, [eventOf('ORDER.FILLED')])).status).toBe(200);
  });
});

describe('beside the handler', () => {
  it('the routes of a Fastify app keep their parser and their limit', async () => {
    const { handler } = receiver();
    const app = fastify();
    app.register(toFastify(handler), { prefix: '/upvest', path: '/events' });
    app.post('/echo', async (request) => request.body);
    await using server = await servedFastify(app);
    const echo = (body: string) => fetch(new URL('/echo', server.url), { method: 'POST', headers: json, body });
    expect(await (await echo('{"a":1}')).json()).toEqual({ a: 1 });
    expect((await echo(JSON.stringify('x'.repeat(1_100_000)))).status).toBe(413);
    const url = new URL('/upvest/events', server.url).href;
    expect((await sender.post(url, largePackage())).status).toBe(200);
  });

  it('the other paths of a Koa app go to the next middleware', async () => {
    const { handler } = receiver();
    const app = new Koa();
    app.use(toKoa(handler, { path: '/in' }));
    app.use((context) => {
      context.body = 'next';
    });
    await using server = await serve(app.callback());
    expect(await (await fetch(server.url)).text()).toBe('next');
    expect((await sender.post(new URL('/in', server.url).href, [eventOf('ORDER.FILLED')])).status).toBe(200);
  });
});

const json = { 'content-type': 'application/json' };
