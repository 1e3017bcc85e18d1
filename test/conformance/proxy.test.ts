// What Upvest's own proxy does with `--listen` (contract acceptor.md, last paragraph), call by call and with its quirks:
// `*/*` as accept, headers first in the cover, a nonce of ten digits, an empty bearer token and a content type on the GET
// of health, unknown capitals. It must work against Bellhop as it is, on a service with the strictest target policy.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPeer, deliveryFaults, type Jwk, send, signRequest } from './peer.ts';
import { startWireService, type WireService } from './service.ts';

let service: WireService;

beforeAll(async () => {
  service = await startWireService('none');
});
afterAll(() => service.close());

interface Item {
  readonly created_at: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly payload: string;
}

describe.each(['P-521', 'Ed25519'] as const)('the listener of Upvest’s proxy with a key of %s', (algorithm) => {
  it('opens its tunnel, sees every event signed, and cleans up', async () => {
    const credentials = await service.tenant(algorithm);
    const peer = createPeer(service.url, credentials, { style: 'proxy' });
    const json = { 'content-type': 'application/json' };

    const health = {
      method: 'GET',
      target: '/events-acceptor-service/health',
      headers: { 'upvest-client-id': credentials.clientId, authorization: 'Bearer ', ...json, accept: '*/*' },
    };
    expect(
      (await send(service.url, health, signRequest(health, { key: credentials.key, style: 'proxy' }))).status,
    ).toBe(200);
    expect((await peer.authorize('webhooks:admin')).status).toBe(200);

    const endpoint = await peer.call('POST', '/events-acceptor-service/endpoints', '');
    expect(endpoint.status, endpoint.text).toBe(201);
    const { id: endpointId, url } = Object(endpoint.json);
    const request = {
      title: 'http signature webhook abcdefgh',
      url,
      type: ['ALL'],
      config: { delay: '1s', max_package_size: 12_400 },
    };
    const created = await peer.call('POST', '/webhooks', request);
    expect(created.status, created.text).toBe(201);
    const webhookId = String(Object(created.json).id);
    const enabled = await peer.call('PATCH', `/webhooks/${webhookId}`, { ...request, enabled: true });
    expect(enabled, enabled.text).toMatchObject({ status: 200, json: { enabled: true, url } });

    const events = Array.from({ length: 40 }, (_, index) => ({
      id: randomUUID(),
      created_at: new Date(Date.UTC(2026, 0, 1) + index).toISOString(),
      type: index % 2 === 0 ? 'USER.CREATED' : 'ORDER.FILLED',
      object: { index, pad: 'x'.repeat(1_000) },
    }));
    await service.publish(credentials.clientId, events);
    const items: Item[] = [];
    const seen = () => items.flatMap(({ payload }) => Object(JSON.parse(payload)).payload);
    // A GET of the proxy carries a content type.
    const poll = () => peer.call('GET', `/events-acceptor-service/endpoints/${endpointId}`, undefined, json);
    while (seen().length < events.length) {
      const polled = await poll();
      expect(polled.status, polled.text).toBe(200);
      items.push(...Object(polled.json));
    }
    expect(seen()).toEqual(events.map((event) => ({ ...event, webhook_id: webhookId })));

    await peer.authorize('webhooks:read webhooks:admin');
    const keys: Jwk[] = Object((await peer.call('GET', '/auth/verify_keys')).json).keys;
    const nonces = new Set<string>();
    for (const { created_at, headers, payload } of items) {
      const lower = Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values.join(', ')]);
      const body = Buffer.from(payload);
      const delivery = {
        method: 'POST',
        target: new URL(url).pathname,
        headers: Object.fromEntries(lower),
        body,
        receivedAtMs: Date.parse(created_at),
      };
      expect(deliveryFaults(delivery, keys, nonces)).toEqual([]);
      expect(headers['Content-Length']).toEqual([String(body.length)]);
      expect(body.length).toBeLessThanOrEqual(12_400);
    }
    expect(items.length).toBeGreaterThan(3);

    // The proxy asks for a new token when it is told 401, and repeats.
    const token = peer.token;
    peer.token = 'expired';
    expect((await poll()).status).toBe(401);
    peer.token = token;
    expect((await peer.call('DELETE', `/webhooks/${webhookId}`, undefined, json)).status).toBe(204);
    expect(
      (await peer.call('DELETE', `/events-acceptor-service/endpoints/${endpointId}`, undefined, json)).status,
    ).toBe(204);
  });
});
