// A second implementation of RFC 9421, whose base for version 15 is the same: each side verifies the other.
import { sign as cryptoSign, verify as cryptoVerify } from 'node:crypto';
import { httpbis } from 'http-message-signatures';
import { describe, expect, it } from 'vitest';
import { verificationKeyOf } from './index.ts';
import { apiCall, createdSeconds, keyOf, outcome, signed, withHeaders } from './messages.fixture.ts';

const url = 'https://sandbox.upvest.co/webhooks?limit=10';

describe('http-message-signatures (npm)', () => {
  it.each(['ecdsa-p521', 'ed25519'] as const)('verifies what we sign with %s', async (algorithm) => {
    const { publicKey, keyId } = verificationKeyOf(await keyOf(algorithm));
    const hash = algorithm === 'ed25519' ? null : 'sha512';
    const message = await signed(apiCall, { algorithm, created: Math.floor(Date.now() / 1000) });
    const verifyWith = (path: string) =>
      httpbis
        .verifyMessage(
          {
            keyLookup: async ({ keyid }) =>
              keyid === keyId
                ? { verify: async (data, signature) => cryptoVerify(hash, data, publicKey, signature) }
                : null,
          },
          { method: message.method, url: path, headers: { ...message.headers } },
        )
        .then((result) => result === true);
    expect(await verifyWith(url)).toBe(true);
    expect(await verifyWith(`${url}0`)).toBe(false);
  });

  it.each(['ecdsa-p521', 'ed25519'] as const)('signs with %s what we verify', async (algorithm) => {
    const { privateKey, keyId } = await keyOf(algorithm);
    const hash = algorithm === 'ed25519' ? null : 'sha512';
    const ours = await signed(apiCall, { algorithm });
    const unsigned = withHeaders(ours, { signature: undefined, 'signature-input': undefined });
    const { headers } = await httpbis.signMessage(
      {
        key: { id: keyId, sign: async (data) => cryptoSign(hash, data, privateKey) },
        name: 'sig1',
        fields: ['@method', '@path', '@query', 'accept', 'authorization', 'content-length', 'content-digest'],
        params: ['keyid', 'created', 'expires', 'nonce'],
        paramValues: {
          created: new Date(createdSeconds * 1000),
          expires: new Date((createdSeconds + 60) * 1000),
          nonce: 'theirs',
        },
      },
      { method: 'POST', url, headers: { ...unsigned.headers } },
    );
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((line): [string, string] => [name, line]),
    );
    expect(await outcome({ ...unsigned, headers: lines }, { algorithm })).toBe('ok');
    expect(await outcome({ ...unsigned, path: '/other', headers: lines }, { algorithm })).toBe('signature_mismatch');
  });
});
