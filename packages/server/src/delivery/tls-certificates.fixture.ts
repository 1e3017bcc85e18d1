// A throw-away certificate authority for tests, made by the openssl command in a temporary folder: server certificates
// for any name, client certificates, all short-lived P-256. Nothing of it is trusted by anything but the test.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends AsyncDisposable {
  readonly ca: string;
  /** `names` as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  issue(...names: readonly string[]): Promise<Certificate>;
}

export async function createAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'bellhop-ca-'));
  const openssl = (...args: readonly string[]) => run('openssl', [...args], { cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = (name: string) => ['-subj', `/CN=${name}`];
  await openssl('req', '-x509', ...newKey, '-days', '2', ...subject('test CA'), '-keyout', 'ca.key', '-out', 'ca.pem');
  let serial = 0;
  return {
    ca: await readFile(join(folder, 'ca.pem'), 'utf8'),
    async issue(...names) {
      serial += 1;
      const file = (ending: string): string => `${serial}.${ending}`;
      await openssl('req', ...newKey, ...subject(`test ${serial}`), '-keyout', file('key'), '-out', file('csr'));
      await writeFile(join(folder, file('ext')), `subjectAltName=${names.join(',')}\n`);
      const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(serial), '-days', '1'];
      await openssl('x509', '-req', '-in', file('csr'), ...signer, '-extfile', file('ext'), '-out', file('pem'));
      const read = (ending: string) => readFile(join(folder, file(ending)), 'utf8');
      return { cert: await read('pem'), key: await read('key') };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
