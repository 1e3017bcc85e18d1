// What a start with these settings leaves open, each in one line that names its setting: printed by `serve`, which refuses none
// of it, for there are places where each is right.

import { openSecretFiles } from './security-settings.ts';
import type { Settings } from './settings.ts';

/** Of base64 or hexadecimal: no guessing over the network gets there. */
const safeTokenCharacters = 32;

/** `warning`: a guard is off. `note`: a guard is missing that others may stand in for. */
export interface Unsafe {
  readonly level: 'warning' | 'note';
  readonly text: string;
}

export function unsafeSettings(settings: Settings, env: NodeJS.ProcessEnv): readonly Unsafe[] {
  const found: Unsafe[] = [];
  const warn = (text: string): void => void found.push({ level: 'warning', text });
  const note = (text: string): void => void found.push({ level: 'note', text });

  if ((settings.operatorToken?.length ?? 0) < safeTokenCharacters) {
    warn(
      `BELLHOP_OPERATOR_TOKEN has fewer than ${safeTokenCharacters} characters: who guesses it may do everything. Make one with: openssl rand -hex 32`,
    );
  }
  for (const { variable, file } of openSecretFiles(settings)) {
    // No refusal: what mounts secrets often gives the group of the process the right to read them.
    warn(`${variable} names ${file}, which others can read: chmod 600 it, or have it mounted so.`);
  }
  if (settings.insecureTargets !== 'none') {
    const what = settings.insecureTargets === 'all' ? 'http and private addresses' : 'http and loopback addresses';
    warn(`BELLHOP_ALLOW_INSECURE_TARGETS=${settings.insecureTargets}: webhooks may point at ${what}.`);
  }
  if (isUnencrypted(settings.databaseUrl, env)) {
    warn('The connection to PostgreSQL is not encrypted: add ?sslmode=verify-full to its URL.');
  }
  if (settings.requestsPerSecond === 0) warn('BELLHOP_REQUESTS_PER_SECOND=0: one tenant may take the whole service.');
  if (settings.operatorRequestsPerSecond === 0) warn('BELLHOP_OPERATOR_REQUESTS_PER_SECOND=0: no limit for operators.');
  if (settings.loginTries === 0) warn('BELLHOP_LOGIN_TRIES=0: client secrets may be guessed without a pause.');
  if ((settings.keyEncryptionKey ?? settings.keyEncryptionKeyFile) === undefined) {
    note('BELLHOP_KEY_ENCRYPTION_KEY is not set: private keys lie in the database as they are.');
  }
  if (settings.operatorPort === undefined && !isLoopback(settings.host)) {
    note(
      "Whoever reaches the tenants' port reaches the operator API too: BELLHOP_OPERATOR_PORT gives it one of its own.",
    );
  }
  return found;
}

/** What the driver makes of the URL and of the variables that it reads beside it. */
function isUnencrypted(databaseUrl: string | undefined, env: NodeJS.ProcessEnv): boolean {
  if (databaseUrl === undefined) return false;
  const { hostname, searchParams } = new URL(databaseUrl);
  const host = searchParams.get('host') || decodeURIComponent(hostname) || env['PGHOST'] || 'localhost';
  if (host.startsWith('/') || isLoopback(host)) return false;
  const isTold = ['sslcert', 'sslkey', 'sslrootcert'].some((name) => searchParams.get(name));
  const mode = searchParams.get('sslmode') || (isTold ? 'prefer' : searchParams.get('ssl') || env['PGSSLMODE']);
  return mode === undefined || ['disable', 'false', '0'].includes(mode);
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host);
}
