// Signs as the provider: through `POST /operator/sign` of a running `bellhop dev`, whose key set the handler trusts, or
// with keys given by hand, whose public halves the handler was given. `next` is the key that a rotation brings; without
// one the signer says so with undefined and nothing is guessed.

import { readFile } from 'node:fs/promises';
import { importSigningKey, messageTarget, type SignatureVersion, type SigningKey, sign } from '@bellhop/signatures';
import { CliError, exitCodes, usageError } from '../exit.ts';
import type { DevAccess } from './dev-access.ts';

export interface SignRequest {
  readonly url: string;
  readonly body: string;
  readonly version?: SignatureVersion;
  readonly key?: 'active' | 'next';
  readonly created?: number;
  readonly expires?: number;
  readonly nonce?: string;
}

export type Headers = Readonly<Record<string, string>>;

export interface Signer {
  /** Who signs, for the report. */
  readonly name: string;
  /** Undefined: there is no such key. */
  sign(request: SignRequest): Promise<Headers | undefined>;
}

const deliveryHeaders = { accept: '*/*', 'content-type': 'application/json' };

export function keySigner(active: SigningKey, next?: SigningKey): Signer {
  return {
    name: `key ${active.keyId}`,
    async sign({ key = 'active', ...request }) {
      const chosen = key === 'active' ? active : next;
      return chosen === undefined ? undefined : signWith(chosen, request);
    },
  };
}

export async function signWith(key: SigningKey, request: SignRequest): Promise<Headers> {
  const { url, body, version = 6, created, expires, nonce } = request;
  const message = { method: 'POST', ...messageTarget(url), headers: deliveryHeaders, body: Buffer.from(body) };
  const signed = await sign(message, {
    key,
    version,
    ...(created === undefined ? {} : { created }),
    ...(expires === undefined ? {} : { expires }),
    ...(nonce === undefined ? {} : { nonce }),
  });
  return { ...deliveryHeaders, ...signed };
}

export function serviceSigner(access: DevAccess): Signer {
  return {
    name: `the service at ${access.baseUrl}`,
    async sign(request) {
      const response = await call(access, request);
      if (response.status === 401 || response.status === 403) {
        throw new CliError(
          exitCodes.unauthorised,
          `The service at ${access.baseUrl} does not accept the operator token of ${access.source}.`,
          'Is it the dev.json of the service that runs?',
        );
      }
      if (response.status === 404) {
        throw usageError(
          `The service at ${access.baseUrl} does not sign for others.`,
          'Only `bellhop dev` does; or give --key-file and --key-id.',
        );
      }
      const value: unknown = await response.json();
      if (!response.ok || !isHeaders(value)) {
        throw new CliError(exitCodes.failed, `The service at ${access.baseUrl} answered ${response.status} to sign.`);
      }
      return value;
    },
  };
}

async function call(access: DevAccess, request: SignRequest): Promise<Response> {
  try {
    return await fetch(new URL('/operator/sign', access.baseUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${access.operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(10_000),
    });
  } catch (cause) {
    throw new CliError(
      exitCodes.unreachable,
      `The service at ${access.baseUrl}, named in ${access.source}, does not answer.`,
      'Start it with: bellhop dev --no-demo',
      { cause },
    );
  }
}

export async function readSigningKey(path: string, keyId: string, flag: string): Promise<SigningKey> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw usageError(`${flag}: ${path} cannot be read (${cause instanceof Error ? cause.message : String(cause)}).`);
  }
  try {
    return importSigningKey(keyId, text);
  } catch (cause) {
    throw usageError(
      `${flag}: ${path} holds no private key (${cause instanceof Error ? cause.message : String(cause)}).`,
      'A PEM file without passphrase: openssl ecparam -name secp521r1 -genkey -noout',
    );
  }
}

function isHeaders(value: unknown): value is Headers {
  return typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string');
}
