// Signatures made anew, for a target whose URL is not the registered one. Where the service signs for developers
// (`bellhop dev`) its own key is used, so that a handler verifies as always. Elsewhere a key of this machine signs, and its
// public half is written as a key set for the handler.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateSigningKey,
  importSigningKey,
  messageTarget,
  privatePem,
  publicJwk,
  type SigningKey,
  sign,
} from '@bellhop/signatures';
import { CliError } from '../exit.ts';
import { textOf } from '../json.ts';
import type { Operator } from '../operator.ts';
import { replacePrivateFile } from '../replace-file.ts';
import { isSystemError } from '../system-error.ts';
import type { Arrival } from './arrival.ts';

const keyId = '00000000-0000-4000-8000-00000000be11';
const replaced = new Set([
  'signature',
  'signature-input',
  'digest',
  'content-digest',
  'upvest-signature-version',
  'content-length',
  'host',
  'connection',
]);

export interface Resigner {
  headers(arrival: Arrival, url: string): Promise<Arrival['headers']>;
  /** The file with the key set; undefined when the service itself signs. */
  readonly keySetFile: string | undefined;
}

export async function createResigner(operator: Operator | undefined, folder: string): Promise<Resigner> {
  if (operator !== undefined && (await canSign(operator))) {
    return {
      keySetFile: undefined,
      async headers(arrival, url) {
        const signed = await operator.call('POST', '/operator/sign', {
          body: { url, body: arrival.body.toString('utf8') },
        });
        const added = Object.entries(signed).flatMap(([name, value]) =>
          textOf(value) === undefined ? [] : [[name, String(value)] as const],
        );
        return withSignature(arrival, added);
      },
    };
  }
  const key = await ownKey(folder);
  const keySetFile = join(folder, 'listen-keys.json');
  await replacePrivateFile(keySetFile, `${JSON.stringify({ keys: [publicJwk(key)] })}\n`);
  return {
    keySetFile,
    async headers(arrival, url) {
      const kept = arrival.headers.filter(([name]) => !replaced.has(name.toLowerCase()));
      const message = { method: 'POST', ...messageTarget(url), headers: kept, body: arrival.body };
      return withSignature(arrival, Object.entries(await sign(message, { key, version: 6 })));
    },
  };
}

function withSignature(arrival: Arrival, added: readonly (readonly [string, string])[]): Arrival['headers'] {
  const names = new Set(added.map(([name]) => name.toLowerCase()));
  const kept = arrival.headers.filter(([name]) => !replaced.has(name.toLowerCase()) && !names.has(name.toLowerCase()));
  return [...kept, ...added];
}

async function canSign(operator: Operator): Promise<boolean> {
  try {
    await operator.call('POST', '/operator/sign', { body: { url: 'http://localhost/', body: '' } });
    return true;
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
}

async function ownKey(folder: string): Promise<SigningKey> {
  const path = join(folder, 'listen-key.pem');
  try {
    return importSigningKey(keyId, await readFile(path, 'utf8'));
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'ENOENT') throw error;
    const key = await generateSigningKey(keyId, 'ecdsa-p521');
    await replacePrivateFile(path, privatePem(key));
    return key;
  }
}
