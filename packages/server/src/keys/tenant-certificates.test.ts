// Client certificates of tenants, from the bundle that an operator hands over to the connection of a delivery.

import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from '../api/api.fixture.ts';
import { operatorOf } from '../api/operator/operator.fixture.ts';
import { startHttps, testSender } from '../delivery/sender.fixture.ts';
import { createTlsContext } from '../delivery/tls.ts';
import { type Authority, type Certificate, createAuthority } from '../delivery/tls-certificates.fixture.ts';
import { readCertificateBundle } from './certificate-bundle.ts';
import { createTenantCertificates } from './tenant-certificates.ts';

const keyEncryptionKey = 'a key-encryption key of thirty-two characters and more';
const pem = 'application/x-pem-file';
let api: TestApi;
let authority: Authority;
let certificates: Certificate[];

beforeAll(async () => {
  api = await startApi({ keyEncryptionKey });
  authority = await createAuthority();
  certificates = [await authority.issue('DNS:one.test'), await authority.issue('DNS:two.test')];
});
afterAll(async () => {
  await api.close();
  await authority[Symbol.asyncDispose]();
});

function bundle(index: number): string {
  const { cert = '', key = '' } = certificates[index] ?? {};
  return `${key}${cert}`;
}

describe('a bundle', () => {
  it('may come in any order, with a chain, and is written in one form', () => {
    const { cert = '', key = '' } = certificates[0] ?? {};
    const read = readCertificateBundle(`# notes\n${cert}${authority.ca}\n${key}`);
    expect(read).toMatchObject({ ok: true, bundle: { subject: 'CN=test 1', issuer: 'CN=test CA' } });
    expect(read.ok && read.bundle.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it.each<[string, () => string]>([
    ['one private key', () => certificates[0]?.cert ?? ''],
    ['one private key', () => bundle(0) + bundle(1)],
    ['1 to 10 certificates', () => certificates[0]?.key ?? ''],
    ['certificate of its private key', () => `${certificates[0]?.key}${certificates[1]?.cert}`],
    ['cannot be read', () => `${certificates[0]?.key}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`],
    ['cannot be read', () => `${certificates[0]?.cert}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----`],
    ['passphrase', () => '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----'],
  ])('is refused without %s', (detail, text) => {
    expect(readCertificateBundle(text())).toEqual({ ok: false, detail: expect.stringContaining(detail) });
  });
});

describe('the certificate of a tenant', () => {
  it('is stored encrypted, shown without its key, replaced, audited and removed', async () => {
    const call = operatorOf(api);
    const { clientId } = await api.tenant();
    const target = `/operator/tenants/${clientId}/delivery-certificate`;
    expect((await call('GET', target)).status).toBe(404);
    expect((await call('PUT', target, { text: 'x', contentType: pem })).status).toBe(400);
    const made = await call('PUT', target, { text: bundle(0), contentType: pem });
    expect(made.json).toMatchObject({ subject: 'CN=test 1', issuer: 'CN=test CA', expired: false });
    await call('PUT', target, { text: bundle(1), contentType: pem });
    const shown = await call('GET', target);
    expect(field(shown.json, 'subject')).toBe('CN=test 2');
    expect(field(shown.json, 'not_after')).toBe((await api.deps.certificates.endings()).first?.toISOString());
    const stored = await api.deps.certificates.endings();
    await api.database.query("update tenant_certificates set not_after = '2020-01-01T00:00:00Z'");
    expect(await api.deps.certificates.endings()).toEqual({ first: null, ended: stored.ended + 1 });
    const rows = await api.database.query<{ text: string }>(
      'select t::text as text from tenant_certificates t union all select a::text from audit a',
    );
    expect(rows.length).toBeGreaterThan(2);
    expect(rows.filter(({ text }) => /PRIVATE KEY/.test(text))).toEqual([]);
    expect((await call('DELETE', target)).status).toBe(204);
    expect((await call('DELETE', target)).status).toBe(404);
    const nobody = `/operator/tenants/${crypto.randomUUID()}/delivery-certificate`;
    expect((await call('PUT', nobody, { text: bundle(0), contentType: pem })).status).toBe(404);
  });

  it('is not stored without a key-encryption key', async () => {
    const bare = await startApi();
    try {
      const { clientId } = await bare.tenant();
      const target = `/operator/tenants/${clientId}/delivery-certificate`;
      expect((await operatorOf(bare)('PUT', target, { text: bundle(0), contentType: pem })).status).toBe(409);
    } finally {
      await bare.close();
    }
  });

  it('is what its deliveries show, over connections of its own, and no other tenant shows it', async () => {
    const [one, two, none] = [await api.tenant(), await api.tenant(), await api.tenant()];
    const call = operatorOf(api);
    for (const [index, { clientId }] of [one, two].entries()) {
      const target = `/operator/tenants/${clientId}/delivery-certificate`;
      expect((await call('PUT', target, { text: bundle(index), contentType: pem })).status).toBe(200);
    }
    const seen: (string | undefined)[] = [];
    const server = await authority.issue('DNS:localhost');
    const names = new WeakMap<object, string>();
    const options = { ...server, ca: authority.ca, requestCert: true, rejectUnauthorized: false };
    await using endpoint = await startHttps(options, ({ socket }, response) => {
      // With TLS 1.3 the certificate is there when the first request is.
      const subject =
        'getPeerCertificate' in socket ? String((socket as TLSSocket).getPeerCertificate().subject?.CN) : '';
      names.set(socket, subject);
      seen.push(names.get(socket));
      response.end();
    });
    await using sender = testSender({ ca: authority.ca, certificates: api.deps.certificates });
    const identified = createTenantCertificates({
      database: api.database,
      keyEncryptionKey,
      contextOf: (clientCert) => createTlsContext({ ca: authority.ca, clientCert }),
      now: Date.now,
    });
    await using trusting = testSender({ ca: authority.ca, certificates: identified });
    expect(await sender.post({ url: endpoint.url, clientId: one.clientId, body: Buffer.from('1') })).toMatchObject({
      ok: false,
      reason: 'tls',
    });
    for (const { clientId } of [one, two, none, one, two]) {
      expect(await trusting.post({ url: endpoint.url, clientId, body: Buffer.from('1') })).toMatchObject({ ok: true });
    }
    expect(seen).toEqual(['test 1', 'test 2', 'undefined', 'test 1', 'test 2']);
    expect(trusting.stats().connections).toBe(3);
  });

  it('that cannot be opened sends nothing', async () => {
    const { clientId } = await api.tenant();
    const target = `/operator/tenants/${clientId}/delivery-certificate`;
    await operatorOf(api)('PUT', target, { text: bundle(0), contentType: pem });
    const wrong = createTenantCertificates({
      database: api.database,
      keyEncryptionKey: 'another key-encryption key',
      contextOf: (clientCert) => createTlsContext({ clientCert }),
      now: Date.now,
    });
    await using endpoint = await startHttps(await authority.issue('DNS:localhost'), (_, response) => response.end());
    await using sender = testSender({ ca: authority.ca, certificates: wrong });
    const outcome = await sender.post({ url: endpoint.url, clientId, body: Buffer.from('1') });
    expect(outcome).toMatchObject({ ok: false, reason: 'other' });
    expect(endpoint.connections).toBe(0);
  });
});
