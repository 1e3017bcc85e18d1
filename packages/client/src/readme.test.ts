import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startApi } from './api.fixture.ts';

describe('the first example of the README', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('is the one that runs here, and it works', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const example = await readFile(new URL('./readme.fixture.ts', import.meta.url), 'utf8');
    expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``);

    await using api = await startApi();
    const folder = await mkdtemp(join(tmpdir(), 'client-readme-'));
    const { baseUrl, clientId, clientSecret, key } = api.options;
    const keyFile = join(folder, 'key.pem');
    const dev = { base_url: baseUrl, client_id: clientId, client_secret: clientSecret, key_id: key.keyId };
    await writeFile(keyFile, String(key.privateKey));
    await writeFile(join(folder, 'dev.json'), JSON.stringify({ ...dev, private_key_file: keyFile }));
    vi.stubEnv('BELLHOP_DEV_JSON', join(folder, 'dev.json'));
    const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    await import('./readme.fixture.ts');
    await rm(folder, { recursive: true });

    expect(printed).toHaveBeenCalledWith(api.webhooks[0]?.id, 'Orders', true);
  });
});
