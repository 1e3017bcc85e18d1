// What the service writes, at its most talkative, never holds a secret or anything of an event's body. A real process is led
// through publishing, deliveries that work and fail, wrong calls of every kind, tokens, links and key rotation; each secret
// and each piece of personal data is a text of its own, and none of them may be in what the process wrote.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { generateSigningKey, privatePem, publicPem } from '@bellhop/signatures';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bellhop, type Run, temporaryFolder } from '../../packages/cli/src/program.fixture.ts';
import { needBuild } from '../support/build.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';

/** Texts that nothing else would write, by what they are. */
type Markers = Map<string, string>;

let endpoint: Server;
let endpointUrl: string;
const endpointMarks = { body: `answer-body-${randomUUID()}`, header: `answer-header-${randomUUID()}` };

beforeAll(async () => {
  needBuild();
  endpoint = createServer((request, response) => {
    request.resume().on('end', () => {
      const isWell = request.url?.startsWith('/well') === true;
      response.writeHead(isWell ? 200 : 500, { 'x-handler': endpointMarks.header }).end(endpointMarks.body);
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  const address = endpoint.address();
  if (address === null || typeof address === 'string') throw new TypeError('No port');
  endpointUrl = `http://127.0.0.1:${address.port}`;
});
afterAll(() => {
  endpoint?.closeAllConnections();
  endpoint?.close();
});

/** A marker of its own for everything that must not be written. */
function mark(markers: Markers, what: string): string {
  const text = `${what.replaceAll(' ', '-')}-${randomUUID()}`;
  markers.set(what, text);
  return text;
}

async function exercise(url: string, operatorUrl: string, operatorToken: string, markers: Markers): Promise<void> {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; json: Record<string, unknown>; headers: Headers }> => {
    const response = await fetch((/^\/(operator|dashboard|metrics)/.test(path) ? operatorUrl : url) + path, {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${operatorToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, json: isJson ? JSON.parse(text) : {}, headers: response.headers };
  };
  const keep = (what: string, value: unknown): string => {
    if (typeof value !== 'string' || value.length < 16) throw new TypeError(`No ${what}: ${String(value)}`);
    markers.set(what, value);
    return value;
  };

  // A tenant, its key (first its private part by mistake), its secrets and tokens.
  const created = (await call('POST', '/operator/tenants', { name: 'Acme', scopes: ['webhooks:admin'] })).json;
  const clientId = String(created['client_id']);
  const clientSecret = keep('client secret', created['client_secret']);
  const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');
  const pem = privatePem(key);
  keep('private key of the tenant', pem.split('\n')[1]);
  expect((await call('POST', `/operator/tenants/${clientId}/keys`, { public_key: pem })).status).toBe(400);
  const added = await call('POST', `/operator/tenants/${clientId}/keys`, { public_key: publicPem(key) });
  const certificate = { certificate: mark(markers, 'certificate'), private_key: pem };
  await call('PUT', `/operator/tenants/${clientId}/delivery-certificate`, certificate);

  const credentials = {
    baseUrl: url,
    clientId,
    clientSecret,
    key: { keyId: String(added.json['key_id']), privateKey: pem },
  };
  const misled = createClient({ ...credentials, scopes: [mark(markers, 'secret as a scope')] });
  await expect(misled.webhooks.list()).rejects.toMatchObject({ status: 403 });
  const client = createClient({
    ...credentials,
    scopes: ['webhooks:admin'],
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith('/auth/token') && response.ok) {
        keep('access token', ((await response.clone().json()) as { access_token: string }).access_token);
      }
      return response;
    },
  });
  const register = async (path: string): Promise<string> => {
    const { id } = await client.webhooks.create({
      title: 'Hooks',
      url: `${endpointUrl}/${path}?key=${mark(markers, `query of the URL ${path}`)}`,
      type: ['ALL'],
      config: { delay: '1s' },
    });
    await client.webhooks.update(id, { enabled: true });
    return id;
  };
  const failing = await register('sick');
  const well = await register('well');

  // Wrong credentials of every kind.
  const wrong = mark(markers, 'wrong secret');
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'upvest-client-id': clientId };
  await call('POST', '/auth/token', `client_id=${clientId}&client_secret=${wrong}&grant_type=client_credentials`, form);
  await call('GET', '/webhooks', undefined, { 'upvest-client-id': mark(markers, 'secret as client id') });
  await call('GET', '/webhooks', undefined, { 'upvest-client-id': clientId, signature: mark(markers, 'signature') });
  await call('GET', '/operator/tenants', undefined, {
    authorization: `Bearer ${mark(markers, 'wrong operator token')}`,
  });
  const elsewhere = { authorization: '', 'upvest-client-id': mark(markers, 'secret as client id of a refused call') };
  await call('GET', '/operator/tenants', undefined, elsewhere);
  await call('GET', '/operator/tenants', undefined, { authorization: mark(markers, 'authorization without Bearer') });
  await call('GET', `/operator/tenants?access_token=${mark(markers, 'token in the query')}`);
  await call('GET', `/operator/${mark(markers, 'secret in the path')}`);
  await call('GET', '/operator/session', undefined, {
    authorization: '',
    cookie: `bellhop_session=${mark(markers, 'wrong session')}`,
  });
  await broken(url, `GET / HTTP/1.1\r\nbroken header ${mark(markers, 'broken request')}\r\n\r\n`);

  // The operator's own secrets.
  const made = await call('POST', '/operator/tokens', { name: 'desk', role: 'admin' });
  const desk = keep('operator token', made.json['token']);
  const signIn = await call('POST', '/operator/session', undefined, { authorization: `Bearer ${desk}` });
  const link = new URL(keep('sign-in link', signIn.json['url'])).pathname;
  markers.set('sign-in link', link.split('/').at(-1) ?? '');
  const cookieOf = ({ headers }: { headers: Headers }): string => headers.get('set-cookie')?.split(';')[0] ?? '';
  const session = cookieOf(await call('GET', link));
  keep('session id', session.split('=')[1]);
  const asPage = { authorization: '', cookie: session, 'sec-fetch-site': 'same-origin' };
  const response = await fetch(`${operatorUrl}/operator/tenants`, { headers: { cookie: session } });
  expect(response.status).toBe(200);
  await call('DELETE', '/operator/session', undefined, asPage);
  const tenantLink = await call('POST', `/operator/tenants/${clientId}/links`);
  const view = new URL(String(tenantLink.json['url'])).pathname;
  keep('tenant link', view.split('/').at(-1));
  const viewCookie = cookieOf(await call('GET', view));
  expect((await fetch(`${url}/view/api/webhooks`, { headers: { cookie: viewCookie } })).status).toBe(200);
  const rotated = await call('POST', `/operator/tenants/${clientId}/secret`);
  keep('rotated secret', rotated.json['client_secret']);
  await call('POST', '/operator/signing-keys/rotate', {});

  // Events with something personal in them: good ones, and wrong ones of every kind.
  const person = (what: string) => ({ id: randomUUID(), name: mark(markers, what), iban: 'DE00' });
  const publish = (body: unknown, type = 'application/json') =>
    call('POST', '/operator/events?validate=true', body, { 'content-type': type });
  const eventId = randomUUID();
  const published = await publish({
    client_id: clientId,
    events: [{ id: eventId, type: 'PERSON.MOVED', object: person('object of an event') }],
  });
  expect(published.status).toBe(202);
  const event = (object: unknown) => ({ client_id: clientId, events: [{ type: 'USER.CREATED', object }] });
  expect((await publish(event(person('object that fits no schema')))).status).toBe(400);
  expect((await publish(`{"client_id": "${clientId}", "events": [${mark(markers, 'broken JSON')}`)).status).toBe(400);
  const oddType = { type: mark(markers, 'type of an event'), object: {} };
  expect((await publish({ client_id: clientId, events: [oddType] })).status).toBe(400);
  const odd = { [mark(markers, 'unknown field')]: 1 };
  expect((await publish({ client_id: clientId, events: [], ...odd })).status).toBe(400);
  const line = JSON.stringify({ client_id: clientId, type: 'PERSON.MOVED', object: person('object of a line') });
  const lines = `${line}\n{"broken": "${mark(markers, 'broken line')}`;
  expect((await publish(lines, 'application/x-ndjson')).status).toBe(400);
  await publish({ client_id: randomUUID(), events: [{ type: 'PERSON.MOVED', object: person('object for nobody') }] });

  // Deliveries, those that fail too, and what an operator does about them.
  type Attempts = { data: { ok: boolean; webhook_id: string }[] };
  const attempts = async (id: string, ok: boolean): Promise<number> => {
    const { json } = await call('GET', `/operator/attempts?webhook_id=${id}&ok=${ok}`);
    return (json as unknown as Attempts).data.length;
  };
  await expect.poll(() => attempts(well, true), { timeout: 30_000 }).toBeGreaterThan(0);
  await expect.poll(() => attempts(failing, false), { timeout: 30_000 }).toBeGreaterThan(1);
  await call('POST', `/operator/webhooks/${failing}/test`);
  await call('POST', `/operator/webhooks/${failing}/retry`);
  await call('POST', `/operator/webhooks/${failing}/skip`, {});
  await call('POST', `/operator/webhooks/${well}/replay`, { event_id: eventId });
  await call('GET', `/operator/events?client_id=${clientId}&object_id=${mark(markers, 'object id searched for')}`);
  await call('GET', `/operator/events/${eventId}`);
  await call('GET', `/operator/support-bundle?webhook_id=${failing}`);
  await expect.poll(() => attempts(well, true), { timeout: 30_000 }).toBeGreaterThan(1);
}

/** Sends bytes that are no request, and reads to the end. */
function broken(url: string, bytes: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.end(bytes));
    socket.resume().on('close', () => resolve());
    socket.on('error', reject);
  });
}

function expectClean(run: Run, markers: Markers): void {
  const written = run.stdout() + run.stderr();
  markers.set('answer of a handler', endpointMarks.body);
  markers.set('header of a handler', endpointMarks.header);
  markers.set('any private key', 'PRIVATE KEY');
  markers.set('any private key as a JWK', '"d":"');
  expect(markers.size).toBeGreaterThan(25);
  const leaked = [...markers].filter(([, text]) => written.includes(text));
  const lineOf = (text: string): string => written.split('\n').find((line) => line.includes(text)) ?? '';
  expect(leaked.map(([what, text]) => `${what}: ${lineOf(text).slice(0, 600)}`)).toEqual([]);
  // It did talk: the calls are there, with ids that may be.
  expect(written).toMatch(/"msg":"access"/);
  expect(written.match(/"msg":"call answered"/g)?.length ?? 0).toBeGreaterThan(10);
}

describe('at the most verbose level', () => {
  it('bellhop dev writes no secret and nothing of an event', async () => {
    const folder = await temporaryFolder();
    const dataDir = join(folder.path, 'data');
    const run = bellhop(
      ['dev', '--no-demo', '--port', '0', '--data-dir', dataDir, '--log-level', 'trace'],
      {},
      folder.path,
    );
    try {
      const [, url = ''] = await run.see(/ready {2}(http:\S+)/);
      const dev: Record<string, string> = JSON.parse(await readFile(join(dataDir, 'dev.json'), 'utf8'));
      const operatorToken = dev['operator_token'] ?? '';
      const markers: Markers = new Map([
        ['operator token of dev', operatorToken],
        ['client secret of dev', dev['client_secret'] ?? ''],
      ]);
      await exercise(url, url, operatorToken, markers);
      expect(await run.stop('SIGTERM')).toBe(0);
      expectClean(run, markers);
    } finally {
      await run.stop('SIGKILL');
      await folder.remove();
    }
  });

  it.skipIf(!postgresUrl())(
    `bellhop serve writes none, not even when the database quotes a row in its errors ${needsPostgres}`,
    async () => {
      const folder = await temporaryFolder();
      const database = await freshDatabase();
      const operatorToken = `operator-token-${randomUUID()}`;
      const keyEncryptionKey = Buffer.from(randomUUID().slice(0, 32)).toString('base64');
      const args = ['serve', '--port', '0', '--operator-port', '0', '--log-level', 'trace'];
      const run = bellhop(
        args,
        {
          BELLHOP_DATABASE_URL: database.url,
          BELLHOP_OPERATOR_TOKEN: operatorToken,
          BELLHOP_ALLOW_INSECURE_TARGETS: 'loopback',
          BELLHOP_KEY_ENCRYPTION_KEY: keyEncryptionKey,
        },
        folder.path,
      );
      const sql = postgres(database.url, { max: 1, onnotice: () => {} });
      try {
        const [, url = '', operatorUrl = ''] = await run.see(
          /ready {2}(http:\S+)[^\n]*\n\s+(http:\S+) {2}operator API/,
        );
        const markers: Markers = new Map([
          ['configured operator token', operatorToken],
          ['key-encryption key', keyEncryptionKey],
        ]);
        const password = new URL(database.url).password;
        if (password !== '') markers.set('password of the database', password);
        await exercise(url, operatorUrl, operatorToken, markers);

        // The server's refusal quotes the row; a missing table quotes the statement.
        const [tenant] = await sql<{ client_id: string }[]>`select client_id from tenants limit 1`;
        const publish = (type: string, text: string) =>
          fetch(`${operatorUrl}/operator/events`, {
            method: 'POST',
            headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
            body: JSON.stringify({ client_id: tenant?.client_id, events: [{ type, object: { id: text } }] }),
          });
        await sql`alter table events add constraint refused check (type <> 'PERSON.GONE') not valid`;
        const quoted = await publish('PERSON.GONE', mark(markers, 'object in a refused row'));
        expect(quoted.status).toBeGreaterThanOrEqual(500);
        await sql`alter table attempts rename to attempts_away`;
        await publish('PERSON.MOVED', mark(markers, 'object that is not recorded'));
        await run.see(/delivery trouble/);
        await sql`alter table attempts_away rename to attempts`;
        expect(await run.stop('SIGTERM')).toBe(0);
        expect(run.stderr()).toContain('call failed');
        expectClean(run, markers);
      } finally {
        await run.stop('SIGKILL');
        await sql.end({ timeout: 5 });
        await database.drop();
        await folder.remove();
      }
    },
  );
});
