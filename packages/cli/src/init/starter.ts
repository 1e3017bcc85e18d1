// The first handler of a project, for the framework that its package.json names. It is one file that runs as it is; what it
// needs comes from the environment, or from the dev.json of `bellhop dev`.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isRecord } from '../json.ts';

export const frameworks = ['node', 'express', 'fastify', 'hono', 'koa', 'next'] as const;
export type Framework = (typeof frameworks)[number];

interface Shape {
  readonly file: string;
  readonly imports: readonly string[];
  /** Of the registry, besides our own. */
  readonly packages: readonly string[];
  /** From which part of the package the adapter comes. */
  readonly adapter: readonly [name: string, from: string];
  readonly serve: string;
}

const shapes: Readonly<Record<Framework, Shape>> = {
  node: {
    file: 'webhooks.mjs',
    imports: ["import { createServer } from 'node:http';"],
    packages: [],
    adapter: ['toNode', '@bellhop/handler'],
    serve: 'createServer(toNode(webhooks)).listen(port, host, ready);',
  },
  express: {
    file: 'webhooks.mjs',
    imports: ["import express from 'express';"],
    packages: ['express'],
    adapter: ['toExpress', '@bellhop/handler/express'],
    serve:
      "// Above any express.json(): the signature is over the raw body.\nexpress().post('/webhooks', toExpress(webhooks)).listen(port, host, ready);",
  },
  fastify: {
    file: 'webhooks.mjs',
    imports: ["import Fastify from 'fastify';"],
    packages: ['fastify'],
    adapter: ['toFastify', '@bellhop/handler/fastify'],
    serve: 'const app = Fastify();\napp.register(toFastify(webhooks));\nawait app.listen({ port, host });\nready();',
  },
  hono: {
    file: 'webhooks.mjs',
    imports: ["import { serve } from '@hono/node-server';", "import { Hono } from 'hono';"],
    packages: ['hono', '@hono/node-server'],
    adapter: ['toHono', '@bellhop/handler/hono'],
    serve:
      "const app = new Hono();\napp.post('/webhooks', toHono(webhooks));\nserve({ fetch: app.fetch, port, hostname: host }, ready);",
  },
  koa: {
    file: 'webhooks.mjs',
    imports: ["import Koa from 'koa';"],
    packages: ['koa'],
    adapter: ['toKoa', '@bellhop/handler/koa'],
    serve:
      'const app = new Koa();\n// Above any body parser: the signature is over the raw body.\napp.use(toKoa(webhooks));\napp.listen(port, host, ready);',
  },
  next: {
    file: 'app/webhooks/route.js',
    imports: [],
    packages: ['next'],
    adapter: ['toRouteHandler', '@bellhop/handler/next'],
    serve: 'export const POST = toRouteHandler(webhooks);',
  },
};

export async function frameworkOf(folder: string): Promise<Framework> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  } catch {
    // No package.json, or none that can be read: a handler without a framework is right everywhere.
    return 'node';
  }
  if (!isRecord(manifest)) return 'node';
  const dependencies = isRecord(manifest['dependencies']) ? manifest['dependencies'] : {};
  return (
    ['next', 'fastify', 'hono', 'koa', 'express'].flatMap((name) =>
      frameworks.filter((known) => known === name && name in dependencies),
    )[0] ?? 'node'
  );
}

/** What the starter imports and no folder from here up has installed. */
export function missingPackages(folder: string, framework: Framework): readonly string[] {
  const folders = [folder];
  for (let at = folder; dirname(at) !== at; at = dirname(at)) folders.push(dirname(at));
  const isThere = (name: string) => folders.some((at) => existsSync(join(at, 'node_modules', name)));
  return ['@bellhop/client', '@bellhop/handler', ...shapes[framework].packages].filter((name) => !isThere(name));
}

export function starter(framework: Framework): { readonly file: string; readonly text: string } {
  const { file, imports, adapter, serve } = shapes[framework];
  const [name, from] = adapter;
  const own = from === '@bellhop/handler';
  const lines = [
    '// Receives webhooks: verified, stored, answered, then processed in order. Made by `bellhop init`; it is yours now.',
    "import { readFileSync } from 'node:fs';",
    ...imports,
    "import { createClient } from '@bellhop/client';",
    `import { createHandler, memoryInbox, remoteKeys${own ? `, ${name}` : ''} } from '@bellhop/handler';`,
    ...(own ? [] : [`import { ${name} } from '${from}';`]),
    '',
    'const env = process.env;',
    '// Set BELLHOP_BASE_URL (sandbox, live or a URL) and the four below; without them it is the service of `bellhop dev`.',
    "const dev = env.BELLHOP_BASE_URL ? {} : JSON.parse(readFileSync(env.BELLHOP_DEV_JSON ?? '.bellhop/dev.json', 'utf8'));",
    'const client = createClient({',
    '  baseUrl: env.BELLHOP_BASE_URL ?? dev.base_url,',
    '  clientId: env.BELLHOP_CLIENT_ID ?? dev.client_id,',
    '  clientSecret: env.BELLHOP_CLIENT_SECRET ?? dev.client_secret,',
    '  key: {',
    '    keyId: env.BELLHOP_KEY_ID ?? dev.key_id,',
    "    privateKey: readFileSync(env.BELLHOP_PRIVATE_KEY_FILE ?? dev.private_key_file, 'utf8'),",
    '  },',
    '});',
    '',
    '// memoryInbox() forgets when the process ends: in production use @bellhop/handler/postgres or /sqlite.',
    'const webhooks = createHandler({ keys: remoteKeys(client), inbox: memoryInbox() })',
    "  .on('ORDER.*', ({ type, object }) => console.log(type, object.id))",
    '  .fallback(({ type, id }) => console.log(type, id));',
    'await webhooks.start();',
    '',
    ...(framework === 'next'
      ? [serve]
      : [
          "const host = '127.0.0.1'; // '0.0.0.0' where others have to reach it",
          'const port = Number(env.PORT ?? 3000);',
          "const ready = () => console.log('listening, POST /webhooks on port', port);",
          serve,
        ]),
    '',
  ];
  return { file, text: lines.join('\n') };
}
