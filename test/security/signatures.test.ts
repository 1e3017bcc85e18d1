// Attacks on signed calls, against two services on one PostgreSQL server: what a captured, altered or confused
// message can gain. The attacker signs with code of its own (the peer of the conformance tests). What the verifier does
// with a single malformed field is tested beside it (packages/signatures).

import { createHash, createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseOf,
  createPeer,
  type PeerCredentials,
  type PeerRequest,
  type PeerSigning,
  signRequest,
} from '../conformance/peer.ts';
import { type FreshDatabase, freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';
import { at, startWorld, type World } from './world.ts';

interface RawAnswer {
  readonly status: number;
  readonly detail: string;
}

/** `headers` may repeat a name. */
function post(url: string, { method, target, body }: PeerRequest, headers: OutgoingHttpHeaders): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, method, path: target, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const json: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, detail: String(at(json, 'detail')) });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

let attacks = 0;
let database: FreshDatabase;
let one: World;
let two: World;
let tenant: PeerCredentials;
let other: PeerCredentials;
let token: string;

describe.skipIf(!postgresUrl())(`an attack on signed calls ${needsPostgres}`, () => {
  beforeAll(async () => {
    database = await freshDatabase();
    one = await startWorld({ databaseUrl: database.url });
    two = await startWorld({ databaseUrl: database.url });
    tenant = await one.tenant('P-521');
    other = await one.tenant('P-521');
    token = await tokenOf(tenant);
  });
  afterAll(async () => {
    await one?.close();
    await two?.close();
    await database?.drop();
    process.stdout.write(`attacks on signatures: ${attacks}\n`);
  });

  async function tokenOf(credentials: PeerCredentials): Promise<string> {
    const answer = await createPeer(one.url, credentials).authorize('webhooks:read webhooks:admin');
    return String(at(answer.json, 'access_token'));
  }

  function message(extra: Partial<PeerRequest> = {}, headers: Readonly<Record<string, string>> = {}): PeerRequest {
    return {
      method: 'GET',
      target: '/webhooks?limit=1',
      headers: { accept: '*/*', authorization: `Bearer ${token}`, 'upvest-client-id': tenant.clientId, ...headers },
      ...extra,
    };
  }

  const withBody: Partial<PeerRequest> = {
    method: 'POST',
    target: '/webhooks?a=b',
    body: '{"title":"A","url":"https://nowhere.invalid/"}',
  };
  const json = { 'content-type': 'application/json' };

  async function attack(sent: PeerRequest, headers: OutgoingHttpHeaders, url = one.url): Promise<string> {
    attacks += 1;
    const { status, detail } = await post(url, sent, headers);
    return `${status} ${detail.replace('Signature is incorrect: ', '')}`;
  }

  const sign = (sent: PeerRequest, signing: Partial<PeerSigning> = {}): Record<string, string> =>
    signRequest(sent, { key: tenant.key, ...signing });

  it('is the only thing refused here: the same call, signed as it should be, passes in both versions', async () => {
    expect(await attack(message(), sign(message()))).toMatch(/^200/);
    expect(await attack(message(), sign(message(), { version: 6 }))).toMatch(/^200/);
  });

  it.each(['P-521', 'Ed25519'] as const)(
    'with another algorithm than the key is of (%s) fails: symmetric, none, the name of another, no name',
    async (algorithm) => {
      const { clientId, key } = await one.tenant(algorithm);
      const sent = message({}, { 'upvest-client-id': clientId });
      const signed = sign(sent, { key });
      const input = String(signed['signature-input']).slice('sig1='.length);
      const components = [...input.matchAll(/"(@?[a-z-]+)"(?=[ )])/g)].map(([, name = '']) => name);
      const others = ['hmac-sha256', 'hmac-sha512', 'none', 'rsa-v1_5-sha256', 'ecdsa-p256-sha256', ''];
      const foreign = algorithm === 'P-521' ? 'ed25519' : 'ecdsa-p384-sha384';
      for (const alg of [undefined, foreign, ...others]) {
        const params = alg === undefined ? input : `${input};alg="${alg}"`;
        const base = baseOf({ ...sent, headers: signed }, components, params, 15);
        const publicDer = createPublicKey(key.publicPem).export({ type: 'spki', format: 'der' });
        const forgeries = {
          'HMAC under the public key (PEM)': createHmac('sha512', key.publicPem).update(base).digest(),
          'HMAC under the public key (bytes)': createHmac('sha512', publicDer.subarray(-32)).update(base).digest(),
          'a shorter HMAC': createHmac('sha256', key.publicPem).update(base).digest(),
          'a hash': createHash('sha512').update(base).digest(),
          nothing: Buffer.alloc(0),
          zeros: Buffer.alloc(64),
          'r and s of zero': Buffer.from([0x30, 6, 2, 1, 0, 2, 1, 0]),
          'r and s of one': Buffer.from([0x30, 6, 2, 1, 1, 2, 1, 1]),
        };
        for (const [name, forgery] of Object.entries(forgeries)) {
          const headers = { 'signature-input': `sig1=${params}`, signature: `sig1=:${forgery.toString('base64')}:` };
          const answer = await attack(sent, { ...signed, ...headers });
          // Without a name nothing but the key decides; what has its form comes to the cryptography.
          const hasForm = algorithm === 'P-521' ? name === 'r and s of one' : forgery.length === 64;
          const byKey = hasForm ? 'signature_mismatch' : 'malformed_signature';
          const byName = alg === '' || name === 'nothing' ? 'malformed_signature' : 'algorithm_mismatch';
          expect(answer, `${alg} ${name}`).toBe(`401 ${alg === undefined ? byKey : byName}`);
        }
      }
    },
  );

  it("with another tenant's key, client id or token fails", async () => {
    const sent = message();
    expect(await attack(sent, sign(sent, { key: other.key }))).toBe('401 unknown_key');
    expect(await attack(sent, sign(sent, { key: { ...other.key, keyId: tenant.key.keyId } }))).toBe(
      '401 signature_mismatch',
    );
    expect(await attack(sent, sign(sent, { key: { ...tenant.key, keyId: other.key.keyId } }))).toBe('401 unknown_key');
    const theirs = message({}, { 'upvest-client-id': other.clientId });
    expect(await attack(theirs, sign(theirs))).toBe('401 unknown_key');
    const borrowed = message({}, { authorization: `Bearer ${await tokenOf(other)}` });
    expect(await attack(borrowed, sign(borrowed))).toMatch(/^401 authorization/);
    for (const keyId of ['', '*', '%', "' or 1=1 --", '../x', `${tenant.key.keyId} `, randomUUID()]) {
      expect(await attack(sent, sign(sent, { key: { ...tenant.key, keyId } })), keyId).toMatch(/^401 /);
    }
  });

  it('with headers given twice, in either order, fails or means what was signed', async () => {
    const sent = message({ ...withBody }, json);
    expect(await attack(sent, sign(sent))).toMatch(/^201/);
    const foreign = sign(message({ ...withBody }, { ...json, 'upvest-client-id': other.clientId }), { key: other.key });
    const seconds: Readonly<Record<string, string | undefined>> = {
      authorization: `Bearer ${randomUUID()}`,
      'upvest-client-id': other.clientId,
      'content-digest': `sha-512=:${createHash('sha512').update('other').digest('base64')}:`,
      'signature-input': foreign['signature-input'],
      signature: foreign['signature'],
      'content-type': 'text/plain',
      accept: 'text/html',
    };
    const refused: Readonly<Record<string, string>> = {
      'upvest-client-id': '400 upvest-client-id: must be a UUID',
      'content-digest': '401 malformed_digest',
      'signature-input': '401 malformed_signature',
      signature: '401 malformed_signature',
    };
    for (const [name, second = ''] of Object.entries(seconds)) {
      for (const isFirst of [true, false]) {
        const signed = sign(sent);
        const values = isFirst ? [String(signed[name]), second] : [second, String(signed[name])];
        // All values count, also where node's own list of headers keeps the first.
        const answer = await attack(sent, { ...signed, [name]: values });
        expect(answer, `${name} ${isFirst}`).toBe(refused[name] ?? '401 signature_mismatch');
      }
    }
  });

  it('with labels given twice or a second signature of somebody else fails', async () => {
    const sent = message();
    const signed = sign(sent);
    const theirs = sign(sent, { key: other.key });
    const relabel = (text: string | undefined, label: string): string => String(text).replace('sig1', label);
    const both = (name: string, label: string): string => `${String(signed[name])}, ${relabel(theirs[name], label)}`;
    const twice = { 'signature-input': both('signature-input', 'sig1'), signature: both('signature', 'sig1') };
    expect(await attack(sent, { ...signed, ...twice })).toMatch(/^401 /);
    for (const [label, reason] of [
      ['SIG1', 'malformed_signature'],
      ['sig1 ', 'malformed_signature'],
      ['x', 'label_not_found'],
    ] as const) {
      const fresh = sign(sent);
      const changed = relabel(fresh['signature-input'], label);
      expect(await attack(sent, { ...fresh, 'signature-input': changed }), label).toBe(`401 ${reason}`);
    }
    // A second label does not take over: the first one decides.
    const added = { 'signature-input': both('signature-input', 'sig2'), signature: both('signature', 'sig2') };
    expect(await attack(sent, { ...signed, ...added })).toMatch(/^200/);
    const hidden = {
      'signature-input': `${relabel(signed['signature-input'], 'sig2')}, ${theirs['signature-input']}`,
      signature: `${relabel(signed['signature'], 'sig2')}, ${theirs['signature']}`,
    };
    expect(await attack(sent, { ...sign(sent), ...hidden })).toMatch(/^401 unknown_key/);
  });

  it('that leaves a component uncovered fails, so nothing that matters can be changed on the way', async () => {
    const sent = message({ ...withBody }, json);
    for (const version of [6, 15] as const) {
      const digest = version === 15 ? 'content-digest' : 'digest';
      for (const name of ['@method', '@path', '@query', 'authorization', digest]) {
        expect(await attack(sent, sign(sent, { version, uncovered: [name] })), name).toBe('401 insufficient_cover');
      }
    }
    const changes: [string, PeerRequest][] = [
      ['method', { ...sent, method: 'PATCH' }],
      ['path', { ...sent, target: '/auth/verify_keys?a=b' }],
      ['query', { ...sent, target: '/webhooks?a=c' }],
      ['no query', { ...sent, target: '/webhooks' }],
      ['encoded path', { ...sent, target: '/%77ebhooks?a=b' }],
      ['dots', { ...sent, target: '/x/../webhooks?a=b' }],
      ['double slash', { ...sent, target: '//webhooks?a=b' }],
      ['query case', { ...sent, target: '/webhooks?A=b' }],
      ['body', { ...sent, body: withBody.body?.replace('"A"', '"B"') }],
      ['white space in the body', { ...sent, body: withBody.body?.replace(':"A"', ': "A"').slice(0, -1) }],
    ];
    for (const [what, changed] of changes) expect(await attack(changed, sign(sent)), what).toMatch(/^401 /);
    const stripped = sign(sent);
    delete stripped['upvest-signature-version'];
    expect(await attack(sent, stripped)).toMatch(/^401 /);
  });

  it('that injects lines into the signature base fails, in values and in names', async () => {
    const sent = message();
    const names: Readonly<Record<string, string>> = {
      '"x\\"': 'malformed_signature',
      '"é"': 'malformed_signature',
      '"@path" "@path"': 'duplicate_component',
      '"X"': 'unsupported_component',
      '"Authorization"': 'unsupported_component',
      '" accept"': 'unsupported_component',
      '"accept "': 'unsupported_component',
      '"@status"': 'unsupported_component',
    };
    for (const [name, reason] of Object.entries(names)) {
      const signed = sign(sent);
      const input = String(signed['signature-input']).replace('"accept"', name);
      const answer = await attack(sent, { ...signed, 'signature-input': Buffer.from(input).toString('latin1') });
      // For its form, before any base is made of it.
      expect(answer, name).toBe(`401 ${reason}`);
    }
    for (const value of ['a\r\n "@path": /auth', 'a\n"@path": /auth', 'a\r"@path": /auth', 'a\0b']) {
      // Truly signed with this value: only a parser that hands it on would let it pass.
      const signed = sign(message({}, { accept: value }));
      const lines = Object.entries({ host: 'a', ...signed }).map(([name, text]) => `${name}: ${text}\r\n`);
      expect(await raw(`GET ${sent.target} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 40[01] /,
      );
    }
  });

  function raw(text: string): Promise<string> {
    attacks += 1;
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(one.url).port), '127.0.0.1', () => socket.write(text));
      let received = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        received += chunk;
      });
      socket.on('error', reject).on('close', () => resolve(received));
    });
  }

  it('with another spelling of the scheme, the key id or the nonce gains no second use', async () => {
    const sent = message({}, { authorization: `bearer ${token}` });
    expect(await attack(sent, sign(sent))).toMatch(/^401 authorization/);
    const nonce = randomUUID();
    const upper = { ...tenant.key, keyId: tenant.key.keyId.toUpperCase() };
    expect(await attack(message(), sign(message(), { nonce }))).toMatch(/^200/);
    expect(await attack(message(), sign(message(), { nonce, key: upper }))).toBe('401 replayed');
    expect(await attack(message(), sign(message(), { nonce }), two.url)).toBe('401 replayed');
  });

  it('that repeats a message fails at every process, at once, and after a restart', async () => {
    const signed = sign(message());
    expect(await attack(message(), signed)).toMatch(/^200/);
    for (const { url } of [one, two]) expect(await attack(message(), signed, url)).toBe('401 replayed');
    const fresh = sign(message());
    const racing = await Promise.all(
      Array.from({ length: 20 }, (_, index) => attack(message(), fresh, index % 2 === 0 ? one.url : two.url)),
    );
    expect(racing.filter((answer) => answer.startsWith('200'))).toHaveLength(1);
    expect(new Set(racing.filter((answer) => !answer.startsWith('200')))).toEqual(new Set(['401 replayed']));
    await two.close();
    two = await startWorld({ databaseUrl: database.url });
    for (const headers of [signed, fresh]) expect(await attack(message(), headers, two.url)).toBe('401 replayed');
  });

  it('that turns an ECDSA signature into its twin (r, n - s) is a repetition and no second call', async () => {
    // Decided knowingly: the twin is a true signature by ECDSA, and refusing it would refuse half of what honest signers
    // make. It covers the same key id and nonce, so it cannot be used beside the first.
    const n = 2n ** 521n - 0x5ae79787c40d069948033feb708f65a2fc44a36477663b851449048e16ec79bf7n;
    const signed = sign(message());
    const twin = { ...signed, signature: `sig1=:${twinOf(String(signed['signature']).slice(6, -1), n)}:` };
    expect(twin.signature).not.toBe(signed['signature']);
    expect(await attack(message(), signed)).toMatch(/^200/);
    expect(await attack(message(), twin)).toBe('401 replayed');
    const first = sign(message());
    const twinFirst = { ...first, signature: `sig1=:${twinOf(String(first['signature']).slice(6, -1), n)}:` };
    expect(await attack(message(), twinFirst, two.url)).toMatch(/^200/);
    expect(await attack(message(), first)).toBe('401 replayed');
  });
});

function twinOf(base64: string, n: bigint): string {
  const der = Buffer.from(base64, 'base64');
  const contentAt = (der[1] ?? 0) > 0x80 ? 3 : 2;
  const rLength = der[contentAt + 1] ?? 0;
  const r = der.subarray(contentAt, contentAt + 2 + rLength);
  const s = BigInt(`0x${der.subarray(contentAt + 4 + rLength).toString('hex')}`);
  const hex = (n - s).toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const positive = (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
  const content = Buffer.concat([r, Buffer.from([2, positive.length]), positive]);
  const head = content.length > 0x7f ? [0x30, 0x81, content.length] : [0x30, content.length];
  return Buffer.concat([Buffer.from(head), content]).toString('base64');
}
