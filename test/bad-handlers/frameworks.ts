// Bad handlers in frameworks: what their defaults and habits do to a webhook.

import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import Koa from 'koa';
import { answerTo, type BadHandler, flat, serverOf } from './bad-handler.ts';
import { type Event, newMemory, Refused, rightSteps } from './right-handler.ts';

const known = new Set(['ORDER.NEW', 'ORDER.PROCESSING', 'ORDER.FILLED', 'ORDER.CANCELLED']);

export const frameworkHandlers: readonly BadHandler[] = [
  {
    name: 'express-json-stringify',
    wrong: 'Express: verifies JSON.stringify(req.body)',
    finds: ['raw-body'],
    build(keys) {
      const memory = newMemory(keys);
      const app = quietExpress();
      app.post(
        '/webhooks',
        express.json({ limit: '5mb' }),
        async ({ method, originalUrl, headers, body }, response) => {
          const message = { method, target: originalUrl, headers: flat(Object.entries(headers)) };
          const answer = await answerTo({ ...message, body: Buffer.from(JSON.stringify(body ?? {})) }, memory);
          response.sendStatus(answer.status);
        },
      );
      return serverOf(app);
    },
  },
  {
    name: 'express-raw-default-limit',
    wrong: 'Express: express.raw with its default limit of 100 kB',
    finds: ['size-1mib'],
    build(keys) {
      const memory = newMemory(keys);
      const app = quietExpress();
      app.post('/webhooks', express.raw({ type: 'application/json' }), async (request, response) => {
        const { method, originalUrl, headers } = request;
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const message = { method, target: originalUrl, headers: flat(Object.entries(headers)), body };
        response.sendStatus((await answerTo(message, memory)).status);
      });
      return serverOf(app);
    },
  },
  {
    name: 'express-unknown-type',
    wrong: 'Express: 400 for a type that no case of its switch knows',
    finds: ['unknown-type'],
    build(keys) {
      const memory = newMemory(keys);
      const app = quietExpress();
      app.post('/webhooks', express.raw({ type: 'application/json', limit: '2mb' }), async (request, response) => {
        const { method, originalUrl, headers } = request;
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const message = { method, target: originalUrl, headers: flat(Object.entries(headers)), body };
        const answer = await answerTo(message, memory, {
          store(events) {
            const stranger = events.find(({ type }) => !known.has(type));
            if (stranger !== undefined) throw new Refused(400, `unhandled type ${stranger.type}`);
            return events;
          },
        });
        response.sendStatus(answer.status);
      });
      return serverOf(app);
    },
  },
  {
    name: 'express-redirects',
    wrong: 'Express: redirects to the path with a slash at its end',
    finds: ['redirects'],
    build() {
      const app = quietExpress();
      app.post('/webhooks', (_request, response) => response.redirect(308, '/webhooks/'));
      return serverOf(app);
    },
  },
  fastifyHandler('fastify-202', 'Fastify: answers 202 because the work comes later', ['status-200'], 202, 2_000_000),
  fastifyHandler('fastify-body-limit', 'Fastify: a bodyLimit of 256 kB', ['size-1mib'], 200, 256_000),
  honoHandler('hono-204', 'Hono: answers 204, as there is nothing to say', ['status-200'], 204, 2_000_000),
  honoHandler('hono-body-limit', 'Hono: bodyLimit of 512 kB', ['size-1mib'], 200, 512_000),
  {
    name: 'koa-acknowledges-first',
    wrong: 'Koa: answers 200 before it verifies',
    finds: [
      ...['unsigned', 'wrong-key', 'unknown-key', 'tampered-body', 'other-digest', 'tampered-header'],
      ...['wrong-content-type', 'expired', 'from-the-future', 'other-target', 'replayed-nonce', 'refusal-status'],
      ...['version-15', 'broken-json'],
    ],
    build(keys) {
      const memory = newMemory(keys);
      const app = new Koa();
      app.use(async (context) => {
        if (context.method !== 'POST') context.throw(405);
        const body = Buffer.concat(await context.req.toArray());
        const { method, originalUrl, headers } = context;
        const message = { method, target: originalUrl, headers: flat(Object.entries(headers)), body };
        setImmediate(() => void answerTo(message, memory));
        context.status = 200;
      });
      app.on('error', () => {});
      const callback = app.callback();
      return serverOf((request, response) => void callback(request, response));
    },
  },
  {
    name: 'koa-too-many-events',
    wrong: 'Koa: refuses packages of more than 50 events',
    finds: ['package-100', 'size-1mib'],
    build(keys) {
      const memory = newMemory(keys);
      const app = new Koa();
      app.use(async (context) => {
        if (context.method !== 'POST') context.throw(405);
        const body = Buffer.concat(await context.req.toArray());
        const { method, originalUrl, headers } = context;
        const message = { method, target: originalUrl, headers: flat(Object.entries(headers)), body };
        const answer = await answerTo(message, memory, {
          parse(received): readonly Event[] {
            const events = rightSteps.parse(received);
            if (events.length > 50) throw new Refused(400, 'too many events');
            return events;
          },
        });
        context.status = answer.status;
      });
      app.on('error', () => {});
      const callback = app.callback();
      return serverOf((request, response) => void callback(request, response));
    },
  },
];

/** Without its log of errors on stderr. */
function quietExpress(): ReturnType<typeof express> {
  return express().set('env', 'test');
}

function fastifyHandler(
  name: string,
  wrong: string,
  finds: readonly string[],
  status: number,
  limitBytes: number,
): BadHandler {
  return {
    name,
    wrong,
    finds,
    async build(keys) {
      const memory = newMemory(keys);
      const app = fastify({ bodyLimit: limitBytes });
      app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
      app.post('/webhooks', async (request, reply) => {
        const { method, originalUrl, headers } = request;
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const message = { method, target: originalUrl, headers: flat(Object.entries(headers)), body };
        const answer = await answerTo(message, memory);
        return reply.code(answer.status === 200 ? status : answer.status).send();
      });
      await app.ready();
      return app.server;
    },
  };
}

function honoHandler(
  name: string,
  wrong: string,
  finds: readonly string[],
  status: 200 | 204,
  limitBytes: number,
): BadHandler {
  return {
    name,
    wrong,
    finds,
    build(keys) {
      const memory = newMemory(keys);
      const app = new Hono().onError(() => new Response(null, { status: 500 }));
      app.post('/webhooks', bodyLimit({ maxSize: limitBytes }), async ({ req }) => {
        const { pathname, search } = new URL(req.url);
        const body = Buffer.from(await req.arrayBuffer());
        const message = { method: req.method, target: `${pathname}${search}`, headers: req.header(), body };
        const answer = await answerTo(message, memory);
        return new Response(null, { status: answer.status === 200 ? status : answer.status });
      });
      return serverOf(getRequestListener(app.fetch));
    },
  };
}
