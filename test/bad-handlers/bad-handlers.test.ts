// The doctor against handlers that are wrong in one way each: it names the right probe, and no other. And against handlers
// that are right, ours and one that uses nothing of ours: it finds nothing.

import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createHandler, type Handler, toFetch, toNode } from '@bellhop/handler';
import { toExpress } from '@bellhop/handler/express';
import { toFastify } from '@bellhop/handler/fastify';
import { toHono } from '@bellhop/handler/hono';
import { toKoa } from '@bellhop/handler/koa';
import { toLambda } from '@bellhop/handler/lambda';
import { toPagesApi, toRouteHandler } from '@bellhop/handler/next';
import { generateSigningKey, staticKeys, verificationKeyOf } from '@bellhop/signatures';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { probes } from '../../packages/cli/src/check/registry.ts';
import { type Report, runCheck } from '../../packages/cli/src/check/run-check.ts';
import { keySigner } from '../../packages/cli/src/check/signer.ts';
import { frameworkHandlers } from './frameworks.ts';
import { plainHandlers } from './plain.ts';
import { type Effect, type Keys, rightHandler } from './right-handler.ts';

const require = createRequire(import.meta.url);
const express4: typeof express = require('express4');

const active = await generateSigningKey(randomUUID(), 'ecdsa-p521');
const next = await generateSigningKey(randomUUID(), 'ecdsa-p521');
const verificationKeys = [active, next].map(verificationKeyOf);
const keys: Keys = new Map(verificationKeys.map(({ keyId, publicKey }) => [keyId, publicKey]));
const signer = keySigner(active, next);
const badHandlers = [...plainHandlers, ...frameworkHandlers];

async function checked(server: Server, hasEffects: boolean): Promise<Report> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await runCheck({
      ...{ signer, probes, timeoutMs: 8_000, concurrency: 8 },
      target: new URL(`http://127.0.0.1:${port}/webhooks`),
      effectsUrl: hasEffects ? new URL(`http://127.0.0.1:${port}/effects`) : undefined,
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Failures in words, so that a wrong one says why. */
function failures({ outcomes }: Report): readonly string[] {
  return outcomes
    .filter(({ verdict }) => verdict.result === 'fail')
    .map(({ probe, verdict }) => `${probe.id}: ${verdict.detail}`);
}

function failed(report: Report): readonly string[] {
  return report.outcomes.filter(({ verdict }) => verdict.result === 'fail').map(({ probe }) => probe.id);
}

describe.concurrent('a handler that is wrong in one way', () => {
  it.each(badHandlers)('$name: $wrong', async ({ build, finds, hasEffects = false }) => {
    const report = await checked(await build(keys), hasEffects);
    expect([...failed(report)].sort(), failures(report).join('\n')).toEqual([...finds].sort());
  });
});

/** Ours, with a list of what its listeners did. */
function ours(): { handler: Handler<undefined>; effects: Effect[] } {
  const effects: Effect[] = [];
  const handler = createHandler({ keys: staticKeys(verificationKeys) }).on('*', ({ id, type }) => {
    effects.push({ id, type, at: new Date().toISOString() });
  });
  return { handler, effects };
}

const adapters: readonly {
  readonly name: string;
  readonly build: (handler: Handler<undefined>) => Server | Promise<Server>;
}[] = [
  { name: 'node:http', build: (handler) => createServer(toNode(handler)) },
  { name: 'fetch', build: (handler) => createServer(getRequestListener(toFetch(handler))) },
  ...[
    { name: 'Express 4', create: express4 },
    { name: 'Express 5', create: express },
  ].map(({ name, create }) => ({
    name,
    build: (handler: Handler<undefined>) => createServer(create().post('/webhooks', toExpress(handler))),
  })),
  {
    name: 'Fastify',
    async build(handler) {
      const app = fastify();
      app.register(toFastify(handler));
      await app.ready();
      return app.server;
    },
  },
  {
    name: 'Hono',
    build: (handler) => createServer(getRequestListener(new Hono().post('/webhooks', toHono(handler)).fetch)),
  },
  {
    name: 'Koa',
    build: (handler) => {
      const app = new Koa().use(toKoa(handler));
      app.silent = true;
      const callback = app.callback();
      return createServer((request, response) => void callback(request, response));
    },
  },
  {
    name: 'Next.js route handlers',
    build: (handler) => createServer(getRequestListener(toRouteHandler(handler))),
  },
  { name: 'the pages router of Next.js', build: (handler) => createServer(toPagesApi(handler)) },
  { name: 'Lambda behind a gateway', build: (handler) => createServer(gateway(toLambda(handler))) },
];

/** API Gateway, as far as a handler sees it: payload 2.0, bodies in base64. */
function gateway(run: ReturnType<typeof toLambda>): Parameters<typeof createServer>[1] {
  return async (request, response) => {
    const body = await request.toArray().catch(() => undefined);
    if (body === undefined) return;
    const [rawPath = '/', rawQueryString = ''] = (request.url ?? '/').split('?');
    const result = await run({
      version: '2.0',
      ...{ rawPath, rawQueryString },
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      requestContext: { http: { method: request.method ?? '' } },
      ...{ body: Buffer.concat(body).toString('base64'), isBase64Encoded: true },
    });
    response.writeHead(result.statusCode, result.headers).end(result.body);
  };
}

describe.concurrent('a right handler', () => {
  it('with node:http and node:crypto alone is found right, and so are its effects', async () => {
    const report = await checked(rightHandler(keys), true);
    expect(failures(report)).toEqual([]);
    expect(unknowns(report)).toEqual(['dns-name', 'tls-certificate', 'tls-version']);
  });

  it.each(adapters)('of our own, on $name, is found right, and so are its effects', async ({ build }) => {
    const { handler, effects } = ours();
    await handler.start();
    const inner = await build(handler);
    const outer = createServer((request, response) => {
      if (request.url === '/effects') response.end(JSON.stringify(effects));
      else inner.emit('request', request, response);
    });
    try {
      const report = await checked(outer, true);
      expect(failures(report)).toEqual([]);
      expect(unknowns(report)).toEqual(['dns-name', 'tls-certificate', 'tls-version']);
    } finally {
      await handler.stop();
    }
  });
});

function unknowns({ outcomes }: Report): readonly string[] {
  return outcomes
    .filter(({ verdict }) => verdict.result === 'unknown')
    .map(({ probe }) => probe.id)
    .sort();
}

it('there are at least 20 bad handlers, and every probe that can fail over http has one', () => {
  expect(badHandlers.length).toBeGreaterThanOrEqual(20);
  const found = new Set(badHandlers.flatMap(({ finds }) => finds));
  const never = probes.filter(({ id, family }) => family !== 'tls' && !found.has(id)).map(({ id }) => id);
  expect(never).toEqual([]);
});
