import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importSigningKey, importVerificationKey } from '@bellhop/signatures';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devFilePath, makeDevCredentials, readDevCredentials, writeDevFile } from './dev-file.ts';

let parent = '';
let dataDir = '';

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bellhop-dev-file-'));
  dataDir = join(parent, 'data');
});
afterEach(() => rm(parent, { recursive: true }));

describe('dev.json', () => {
  it('has exactly the documented fields, absolute paths and private modes', async () => {
    const credentials = await makeDevCredentials();
    const path = await writeDevFile(dataDir, credentials, 'http://127.0.0.1:1');
    const file = JSON.parse(await readFile(path, 'utf8'));
    expect(file).toEqual({
      base_url: 'http://127.0.0.1:1',
      operator_token: credentials.operatorToken,
      client_id: credentials.clientId,
      client_secret: credentials.clientSecret,
      key_id: credentials.keyId,
      private_key_file: join(dataDir, 'tenant-key.pem'),
      public_key_file: join(dataDir, 'tenant-key.pub.pem'),
      scopes: ['webhooks:admin', 'webhooks:read'],
    });
    expect(importSigningKey('k', await readFile(file.private_key_file, 'utf8')).algorithm).toBe('ecdsa-p521');
    expect(importVerificationKey('k', await readFile(file.public_key_file, 'utf8')).algorithm).toBe('ecdsa-p521');
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(dataDir)) {
      expect((await stat(join(dataDir, name))).mode & 0o777, name).toBe(0o600);
    }
  });

  it('gives the same credentials back, whatever the base URL is now', async () => {
    const credentials = await makeDevCredentials('given-token');
    await writeDevFile(dataDir, credentials, 'http://127.0.0.1:1');
    await writeDevFile(dataDir, credentials, 'http://127.0.0.1:2');
    expect(await readDevCredentials(dataDir)).toEqual(credentials);
  });

  it('survives that its folder is moved', async () => {
    const credentials = await makeDevCredentials();
    await writeDevFile(dataDir, credentials, 'http://127.0.0.1:1');
    await rename(dataDir, join(parent, 'moved'));
    expect(await readDevCredentials(join(parent, 'moved'))).toEqual(credentials);
  });

  it('is absent before the first start', async () => {
    expect(await readDevCredentials(dataDir)).toBeUndefined();
  });

  it.each(['', '{', '[]', 'null', '{"client_id":"x"}'])('is never replaced when damaged: %j', async (text) => {
    await mkdir(dataDir);
    await writeFile(devFilePath(dataDir), text);
    await expect(readDevCredentials(dataDir)).rejects.toMatchObject({ exitCode: 2, message: /damaged/ });
  });

  it('says which key is missing or broken', async () => {
    await writeDevFile(dataDir, await makeDevCredentials(), 'http://127.0.0.1:1');
    await writeFile(join(dataDir, 'tenant-key.pem'), 'no key');
    await expect(readDevCredentials(dataDir)).rejects.toMatchObject({ exitCode: 2, message: /holds no private key/ });
    await rm(join(dataDir, 'tenant-key.pem'));
    await expect(readDevCredentials(dataDir)).rejects.toMatchObject({ exitCode: 2, message: /is missing/ });
  });

  it('says that it cannot be written below a file', async () => {
    await writeFile(dataDir, 'a file');
    expect(await readDevCredentials(dataDir)).toBeUndefined();
    await expect(writeDevFile(dataDir, await makeDevCredentials(), 'http://x')).rejects.toMatchObject({ exitCode: 2 });
  });
});
