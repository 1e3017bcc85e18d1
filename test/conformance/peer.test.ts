// The contract's second reading against the real service: a client and a verifier that share no code with it complete
// every operation and accept every delivery.

import { createPublicKey, randomUUID, verify as verifyBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseOf,
  createPeer,
  deliveryFaults,
  type Jwk,
  type PeerAnswer,
  type PeerClient,
  type PeerReceiver,
  startPeerReceiver,
} from './peer.ts';
import { startWireService, type WireService } from './service.ts';

let service: WireService;
let receiver: PeerReceiver;

beforeAll(async () => {
  [service, receiver] = await Promise.all([startWireService(), startPeerReceiver()]);
});
afterAll(async () => {
  await receiver.close();
  await service.close();
});

const base = '/events-acceptor-service';

/** Calls by the path of the document, so that what was called can be counted. */
function counting(peer: PeerClient, called: Set<string>) {
  return async (method: string, path: string, ids: readonly string[] = [], query = '', body?: unknown) => {
    called.add(`${method} ${path}`);
    let index = 0;
    const target = path.replace(/\{[^}]+\}/g, () => ids[index++] ?? '') + query;
    return peer.call(method, target, body);
  };
}

function member(answer: PeerAnswer, name: string): string {
  return String(Object(answer.json)[name]);
}

describe('a client written from the contract alone', () => {
  it.each([
    { algorithm: 'P-521', version: 15, style: 'documented' },
    { algorithm: 'Ed25519', version: 15, style: 'documented' },
    { algorithm: 'P-521', version: 15, style: 'proxy' },
    { algorithm: 'Ed25519', version: 6, style: 'documented' },
    { algorithm: 'P-521', version: 6, style: 'proxy' },
  ] as const)('completes every operation: $algorithm, version $version, $style order', async (options) => {
    const credentials = await service.tenant(options.algorithm);
    const peer = createPeer(service.url, credentials, options);
    const called = new Set<string>(['POST /auth/token']);
    const call = counting(peer, called);

    const token = await peer.authorize('webhooks:read webhooks:admin');
    expect(token.status, token.text).toBe(200);
    expect(token.json).toMatchObject({ access_token: expect.any(String), expires_in: expect.any(Number) });
    expect((await call('GET', '/auth/verify_keys')).status).toBe(200);

    const created = await call('POST', '/webhooks', [], '', { title: 'A', url: receiver.url, type: ['USER'] });
    expect(created.status, created.text).toBe(201);
    const id = member(created, 'id');
    expect(created.json).toMatchObject({ enabled: false, url: receiver.url, title: 'A', type: ['USER'] });
    const list = await call('GET', '/webhooks', [], '?sort=title&order=DESC&offset=0&limit=10');
    expect(list.json).toMatchObject({ meta: { count: 1, total_count: 1 }, data: [{ id }] });
    expect((await call('GET', '/webhooks/{webhook_id}', [id])).json).toEqual(created.json);
    const changed = await call('PATCH', '/webhooks/{webhook_id}', [id], '', { title: 'B' });
    expect(changed).toMatchObject({ status: 200, json: { title: 'B' } });
    expect(await call('POST', '/webhooks/{webhook_id}/test', [id])).toMatchObject({ status: 202, text: '' });
    expect(await call('DELETE', '/webhooks/{webhook_id}', [id])).toMatchObject({ status: 204, text: '' });
    expect((await call('GET', '/webhooks/{webhook_id}', [id])).status).toBe(404);

    expect((await call('GET', `${base}/health`)).status).toBe(200);
    const endpoint = await call('POST', `${base}/endpoints`, [], '', '');
    expect(endpoint.status, endpoint.text).toBe(201);
    const endpointId = member(endpoint, 'id');
    called.add(`POST ${base}/receive/{token}`);
    const { pathname } = new URL(member(endpoint, 'url'));
    expect((await peer.call('POST', pathname, { x: 1 })).status).toBe(200);
    const polled = await call('GET', `${base}/endpoints/{endpoint_id}`, [endpointId]);
    expect(polled.json).toMatchObject([{ payload: '{"x":1}' }]);
    expect((await call('DELETE', `${base}/endpoints/{endpoint_id}`, [endpointId])).status).toBe(204);

    const document = (await peer.call('GET', '/openapi.json')).json;
    const offered = Object.entries(Object(document).paths).flatMap(([path, item]) =>
      Object.keys(Object(item))
        .map((method) => `${method.toUpperCase()} ${path}`)
        .filter((name) => /^\w+ \/(auth|webhooks|events-acceptor-service)\b/.test(name)),
    );
    expect([...called].sort()).toEqual(offered.sort());
  });
});

describe('a verifier written from the contract alone', () => {
  async function enabled(config: Record<string, unknown> = {}, type: readonly string[] = ['ALL']) {
    const credentials = await service.tenant();
    const peer = createPeer(service.url, credentials);
    await peer.authorize('webhooks:admin');
    const created = await peer.call('POST', '/webhooks', {
      title: 'A',
      url: receiver.url,
      type,
      config: { delay: '1s', ...config },
    });
    const id = member(created, 'id');
    expect((await peer.call('PATCH', `/webhooks/${id}`, { enabled: true })).status).toBe(200);
    const keys: Jwk[] = Object((await peer.call('GET', '/auth/verify_keys')).json).keys;
    return { peer, id, keys, clientId: credentials.clientId };
  }

  function event(type: string, object: unknown = {}): Record<string, unknown> {
    return { id: randomUUID(), created_at: new Date().toISOString(), type, object };
  }

  function eventsOf(body: Buffer): { id: string; webhook_id: string; created_at: string; type: string }[] {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    expect(Object.keys(Object(parsed))).toEqual(['payload']);
    return Object(parsed).payload;
  }

  it('accepts every delivery, every retry and the test, and every event arrives in the form of the contract', async () => {
    const { peer, id, keys, clientId } = await enabled({ max_package_size: 1_000 });
    const from = receiver.deliveries.length;
    receiver.answer = (index) => (index === from ? 500 : 200);
    const events = Array.from({ length: 12 }, (_, index) => event('USER.CREATED', { name: 'Zoë 🐝', index }));
    events.push(event('ORDER.FILLED', { pad: 'é'.repeat(900) }), event('NEW_THING.HAPPENED'));
    await service.publish(clientId, events);
    expect((await peer.call('POST', `/webhooks/${id}/test`)).status).toBe(202);
    const mine = () => receiver.deliveries.slice(from);
    const arrived = () => new Set(mine().flatMap(({ body }) => eventsOf(body).map((each) => each.id)));
    await expect
      .poll(() => events.filter((each) => arrived().has(String(each['id']))).length, { timeout: 20_000 })
      .toBe(events.length);

    const nonces = new Set<string>();
    for (const delivery of mine()) {
      expect(deliveryFaults(delivery, keys, nonces)).toEqual([]);
      expect(delivery.method).toBe('POST');
      expect(delivery.target).toBe('/hooks/upvest?tenant=a%20b&x=1');
      expect(delivery.headers).toMatchObject({
        'content-type': 'application/json',
        'content-length': String(delivery.body.length),
      });
      const each = eventsOf(delivery.body);
      expect(each.length === 1 || delivery.body.length <= 1_000).toBe(true);
      for (const one of each) {
        expect(Object.keys(one).sort()).toEqual(['created_at', 'id', 'object', 'type', 'webhook_id']);
        expect(one.webhook_id).toBe(id);
      }
      const times = each.map((one) => Date.parse(one.created_at));
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
    const published = new Map(events.map((each) => [each['id'], each]));
    for (const one of mine().flatMap(({ body }) => eventsOf(body))) {
      const original = published.get(one.id);
      if (original) expect(one).toEqual({ ...original, webhook_id: id });
    }
    expect(mine().some(({ body }) => eventsOf(body).some(({ id: each }) => !published.has(each)))).toBe(true);
    receiver.answer = () => 200;
  });

  it('sees the same bytes again after a failure, under another nonce', async () => {
    const { keys, clientId } = await enabled();
    const from = receiver.deliveries.length;
    receiver.answer = (index) => (index < from + 2 ? 302 : 204);
    await service.publish(clientId, [event('USER.CREATED'), event('USER.UPDATED')]);
    await expect.poll(() => receiver.deliveries.length - from, { timeout: 20_000 }).toBe(3);
    const attempts = receiver.deliveries.slice(from);
    expect(new Set(attempts.map(({ body }) => body.toString('hex'))).size).toBe(1);
    expect(new Set(attempts.map(({ headers }) => headers['signature-input'])).size).toBe(3);
    const nonces = new Set<string>();
    expect(attempts.flatMap((attempt) => deliveryFaults(attempt, keys, nonces))).toEqual([]);
    receiver.answer = () => 200;
  });

  it('refuses a delivery with any one thing changed, so that its word counts', async () => {
    const { keys, clientId } = await enabled();
    const from = receiver.deliveries.length;
    await service.publish(clientId, [event('USER.CREATED')]);
    await expect.poll(() => receiver.deliveries.length, { timeout: 20_000 }).toBe(from + 1);
    const [good] = receiver.deliveries.slice(from);
    if (!good) throw new TypeError('A delivery arrived');
    const faults = (change: object, seen = new Set<string>(), now?: number) =>
      deliveryFaults({ ...good, ...change }, keys, seen, now).length;
    expect(faults({})).toBe(0);
    const flipped = Buffer.from(good.body);
    flipped[3] = (flipped[3] ?? 0) ^ 1;
    for (const change of [
      { method: 'PUT' },
      { target: '/hooks/upvest' },
      { target: '/hooks/other?tenant=a%20b&x=1' },
      { body: flipped },
      { headers: { ...good.headers, digest: `SHA-256=${'A'.repeat(43)}=` } },
      { headers: { ...good.headers, 'content-type': 'text/plain' } },
      { headers: { ...good.headers, signature: 'sig1=::' } },
    ]) {
      expect(faults(change), JSON.stringify(Object.keys(change))).toBeGreaterThan(0);
    }
    expect(faults({}, new Set(), good.receivedAtMs / 1000 + 91)).toBe(1);
    expect(deliveryFaults(good, [], new Set())).toHaveLength(1);
    const seen = new Set<string>();
    expect(faults({}, seen)).toBe(0);
    expect(faults({}, seen)).toBe(1);
  });
});

const vectorFile = new URL('../../../shared/contract/signature-vectors.json', import.meta.url);

describe.skipIf(!existsSync(vectorFile))('the peer itself (skipped without the contract folder)', () => {
  it('rebuilds the base of every vector of the contract, and the signatures verify', () => {
    const { vectors } = JSON.parse(readFileSync(vectorFile, 'utf8'));
    expect(vectors.length).toBeGreaterThan(11);
    for (const vector of vectors) {
      const { method, path, query, headers_before_signing: headers } = vector.request;
      const target = query ? `${path}${query.startsWith('?') ? query : `?${query}`}` : path;
      const rebuilt = baseOf(
        { method, target, headers },
        vector.covered_components,
        vector.signature_params,
        vector.signature_version,
      );
      expect(rebuilt.toString('utf8'), vector.id).toBe(vector.signature_base);
      const key = createPublicKey(vector.public_key.pem);
      const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha512';
      expect(verifyBytes(hash, rebuilt, key, Buffer.from(vector.signature_base64, 'base64')), vector.id).toBe(true);
    }
  });
});
