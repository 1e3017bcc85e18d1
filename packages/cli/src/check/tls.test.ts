// The probes of the connection, against https servers on loopback with certificates of a throw-away authority.

import { randomUUID } from 'node:crypto';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generateSigningKey, verificationKeyOf } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listener, newMemory, rightSteps } from '../../../../test/bad-handlers/right-handler.ts';
import { type Authority, createAuthority } from '../../../server/src/delivery/tls-certificates.fixture.ts';
import { chooseProbes } from './registry.ts';
import { runCheck } from './run-check.ts';
import { keySigner } from './signer.ts';

const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');
const keys = new Map([[key.keyId, verificationKeyOf(key).publicKey]]);

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority();
});
afterAll(() => authority[Symbol.asyncDispose]());

async function verdicts(host: string, options: ServerOptions = {}): Promise<Record<string, string>> {
  const server = createServer(
    { ...(await authority.issue('DNS:localhost')), ...options },
    listener(newMemory(keys), rightSteps),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const report = await runCheck({
      target: new URL(`https://${host}:${port}/webhooks`),
      signer: keySigner(key),
      probes: chooseProbes(['single', 'tls'], []),
      ...{ timeoutMs: 5_000, concurrency: 4 },
    });
    return Object.fromEntries(
      report.outcomes.map(({ probe, verdict }) => [probe.id, `${verdict.result}: ${verdict.detail}`]),
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('the connection of an https handler', () => {
  it('a certificate that nobody vouches for fails, and the deliveries are tried all the same', async () => {
    expect(await verdicts('localhost')).toEqual({
      single: expect.stringMatching(/^pass/),
      'dns-name': expect.stringMatching(/^unknown: localhost/),
      'tls-version': 'pass: TLSv1.3',
      'tls-certificate': expect.stringMatching(/^fail: the certificate is not accepted: UNABLE_TO_/),
    });
  });

  it('an IP address fails', async () => {
    expect(await verdicts('127.0.0.1')).toMatchObject({ 'dns-name': 'fail: 127.0.0.1 is an IP address' });
  });

  it('a server that still speaks TLS 1.1 fails', async () => {
    const old: ServerOptions = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await verdicts('localhost', old)).toMatchObject({
      'tls-version': 'fail: speaks TLSv1.1 too, which is broken',
    });
  });
});
