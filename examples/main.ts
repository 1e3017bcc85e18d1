// npm run example -- <name>: starts one of the examples beside this file. Each also runs by itself:
// node examples/dist/express/server.js
const examples: Record<string, () => Promise<unknown>> = {
  express: () => import('./express/server.ts'),
  fastify: () => import('./fastify/server.ts'),
  hono: () => import('./hono/server.ts'),
  next: () => import('./next/server.ts'),
  lambda: () => import('./lambda/server.ts'),
  nestjs: () => import('./nestjs/server.ts'),
};

const name = process.argv[2] ?? '';
const start = Object.hasOwn(examples, name) ? examples[name] : undefined;
if (start === undefined) {
  console.error(`Usage: npm run example -- <name>, where the name is ${Object.keys(examples).join(', ')}`);
  process.exitCode = 2;
} else {
  await start();
}
