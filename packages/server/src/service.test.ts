// What only the wiring decides: which paths each listener has, and where links lead. Services of their own, on the embedded
// database.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServiceConfig } from './config.ts';
import { type Service, startService } from './service.ts';

const operatorToken = 'operator-token-of-tests';
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(config: Partial<ServiceConfig>): Promise<Service> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bellhop-'));
  undo.push(() => rm(dataDir, { recursive: true, force: true }));
  const service = await startService({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    operatorToken,
    logLevel: 'silent',
    insecureTargets: 'none',
    dev: false,
    role: 'api',
    partitions: 1,
    ...config,
  });
  undo.push(() => service.close());
  return service;
}

async function signInOrigin({ operatorUrl }: Service): Promise<string> {
  const answer = await fetch(`${operatorUrl}/operator/session`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorToken}` },
  });
  const body: { readonly url?: string } = Object(await answer.json());
  return new URL(body.url ?? '').origin;
}

describe('the service', () => {
  // The link led to whatever host the caller had named, though the documents say that it leads to the public URL.
  it('makes sign-in links of the public URL where it has one listener, else of the address that was called', async () => {
    const publicUrl = 'https://webhooks.example.com';
    expect(await signInOrigin(await start({ publicUrl }))).toBe(publicUrl);
    const plain = await start({});
    expect(await signInOrigin(plain)).toBe(plain.url);
    const apart = await start({ publicUrl, operatorPort: 0 });
    expect(await signInOrigin(apart)).toBe(apart.operatorUrl);
  });

  // /docs asked for a client id on the tenants' listener.
  it('has the description of the API on both listeners, what is for operators on theirs only', async () => {
    const { url, operatorUrl } = await start({ operatorPort: 0 });
    const statuses = (base: string) =>
      Promise.all(
        ['/healthz', '/openapi.json', '/docs', '/docs/docs.css', '/dashboard', '/metrics', '/operator/webhooks'].map(
          async (path) => (await fetch(`${base}${path}`)).status,
        ),
      );
    expect(await statuses(url)).toEqual([200, 200, 200, 200, 400, 400, 401]);
    expect(await statuses(operatorUrl)).toEqual([200, 200, 200, 200, 401, 200, 401]);
  });
});
