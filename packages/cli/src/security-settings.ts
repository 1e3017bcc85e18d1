// The settings of limits, keys and outgoing connections: their rows of the table in settings.ts, how their values are read,
// and what the service gets of them. Files are named by settings and read here; what a file holds is never repeated in a
// message.

import { readFileSync, statSync } from 'node:fs';
import type { ServiceConfig } from '@bellhop/server';
import { usageError } from './exit.ts';
import type { Setting } from './settings.ts';

const algorithms = ['ecdsa-p521', 'ecdsa-p384', 'ecdsa-p256', 'ed25519'] as const;
type Algorithm = (typeof algorithms)[number];

export interface SecuritySettings {
  readonly keyEncryptionKey: string | undefined;
  readonly keyEncryptionKeyFile: string | undefined;
  readonly previousKeyEncryptionKey: string | undefined;
  readonly previousKeyEncryptionKeyFile: string | undefined;
  readonly acceptedAlgorithms: readonly Algorithm[] | undefined;
  readonly signingAlgorithm: Algorithm | undefined;
  readonly signingKeyRotationDays: number | undefined;
  readonly signatureVersion: 6 | 15 | undefined;
  readonly requestsPerSecond: number | undefined;
  readonly requestBurst: number | undefined;
  readonly operatorRequestsPerSecond: number | undefined;
  readonly loginTries: number | undefined;
  readonly maxWebhooks: number | undefined;
  readonly sessionIdleMinutes: number | undefined;
  readonly maxConnections: number | undefined;
  readonly headersTimeoutMs: number | undefined;
  readonly requestTimeoutMs: number | undefined;
  readonly deliveryCertFile: string | undefined;
  readonly deliveryKeyFile: string | undefined;
  readonly deliveryCaFile: string | undefined;
  readonly egressAllow: readonly string[] | undefined;
  readonly egressDeny: readonly string[] | undefined;
  readonly egressPorts: readonly number[] | undefined;
  readonly egressProxy: string | undefined;
}

export interface Given {
  readonly value: string;
  /** The flag or variable, for messages. */
  readonly source: string;
}

const commands = ['dev', 'serve'] as const;

function row(
  name: keyof SecuritySettings,
  variable: string,
  flag: string | undefined,
  description: string,
  fallback?: string,
): Setting {
  const defaults = { dev: fallback, serve: fallback };
  return { name, variable, ...(flag === undefined ? {} : { flag }), description, defaults, commands };
}

export const securitySettingsTable: readonly Setting[] = [
  row('keyEncryptionKey', 'BELLHOP_KEY_ENCRYPTION_KEY', undefined, 'secret that encrypts private keys in the database'),
  row(
    'keyEncryptionKeyFile',
    'BELLHOP_KEY_ENCRYPTION_KEY_FILE',
    '--key-encryption-key-file <file>',
    'file that holds that secret instead',
  ),
  row(
    'previousKeyEncryptionKey',
    'BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY',
    undefined,
    'the secret before it: private keys are sealed anew at start',
  ),
  row(
    'previousKeyEncryptionKeyFile',
    'BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY_FILE',
    '--previous-key-encryption-key-file <file>',
    'file that holds the one before instead',
  ),
  row(
    'acceptedAlgorithms',
    'BELLHOP_ACCEPTED_ALGORITHMS',
    '--accepted-algorithms <list>',
    `keys that may sign API calls, of ${algorithms.join(', ')}`,
    'ecdsa-p521,ed25519',
  ),
  row(
    'signingAlgorithm',
    'BELLHOP_SIGNING_ALGORITHM',
    '--signing-algorithm <name>',
    'of the keys that sign deliveries and are made from now on',
    'ecdsa-p521',
  ),
  row(
    'signingKeyRotationDays',
    'BELLHOP_SIGNING_KEY_ROTATION_DAYS',
    '--signing-key-rotation-days <number>',
    'how long a key signs deliveries before the next one does, 0 for rotation on demand only',
    '90',
  ),
  row('signatureVersion', 'BELLHOP_SIGNATURE_VERSION', '--signature-version <number>', 'of deliveries: 6 or 15', '6'),
  row(
    'requestsPerSecond',
    'BELLHOP_REQUESTS_PER_SECOND',
    '--requests-per-second <number>',
    'API calls of one tenant at one process, 0 for no limit',
    '200',
  ),
  row('requestBurst', 'BELLHOP_REQUEST_BURST', '--request-burst <number>', 'calls that may come at once', 'twice that'),
  row(
    'operatorRequestsPerSecond',
    'BELLHOP_OPERATOR_REQUESTS_PER_SECOND',
    '--operator-requests-per-second <number>',
    'operator API calls of one token at one process, publishing apart, 0 for no limit',
    '1000',
  ),
  row(
    'loginTries',
    'BELLHOP_LOGIN_TRIES',
    '--login-tries <number>',
    'wrong client secrets in a row before a client has to wait, 0 for no waiting',
    '5',
  ),
  row('maxWebhooks', 'BELLHOP_MAX_WEBHOOKS', '--max-webhooks <number>', 'of one tenant', '1000'),
  row(
    'sessionIdleMinutes',
    'BELLHOP_SESSION_IDLE_MINUTES',
    '--session-idle-minutes <number>',
    'a session of the dashboard ends when it is unused for so long, 5 or more',
    '30',
  ),
  row('maxConnections', 'BELLHOP_MAX_CONNECTIONS', '--max-connections <number>', 'open at a time', '10000'),
  row(
    'headersTimeoutMs',
    'BELLHOP_HEADERS_TIMEOUT_MS',
    '--headers-timeout-ms <milliseconds>',
    'how long the headers of a request may take to arrive',
    '10000',
  ),
  row(
    'requestTimeoutMs',
    'BELLHOP_REQUEST_TIMEOUT_MS',
    '--request-timeout-ms <milliseconds>',
    'how long a whole request may take to arrive',
    '60000',
  ),
  row(
    'deliveryCertFile',
    'BELLHOP_DELIVERY_CERT_FILE',
    '--delivery-cert-file <file>',
    'client certificate of deliveries and its chain, PEM',
  ),
  row('deliveryKeyFile', 'BELLHOP_DELIVERY_KEY_FILE', '--delivery-key-file <file>', 'private key of it, PEM'),
  row(
    'deliveryCaFile',
    'BELLHOP_DELIVERY_CA_FILE',
    '--delivery-ca-file <file>',
    'authorities that deliveries trust besides the built-in ones, PEM',
  ),
  row('egressAllow', 'BELLHOP_EGRESS_ALLOW', '--egress-allow <list>', 'only these hosts, domains or networks'),
  row('egressDeny', 'BELLHOP_EGRESS_DENY', '--egress-deny <list>', 'never these hosts, domains or networks'),
  row('egressPorts', 'BELLHOP_EGRESS_PORTS', '--egress-ports <list>', 'only these ports of webhook URLs', 'any'),
  row('egressProxy', 'BELLHOP_EGRESS_PROXY', undefined, 'HTTP proxy that all deliveries go through'),
];

export function readSecuritySettings(given: (name: keyof SecuritySettings) => Given | undefined): SecuritySettings {
  const text = (name: keyof SecuritySettings) => given(name)?.value;
  const count = (name: keyof SecuritySettings, least: number) => wholeNumber(given(name), least);
  const settings = {
    keyEncryptionKey: secret(given('keyEncryptionKey')),
    keyEncryptionKeyFile: text('keyEncryptionKeyFile'),
    previousKeyEncryptionKey: secret(given('previousKeyEncryptionKey')),
    previousKeyEncryptionKeyFile: text('previousKeyEncryptionKeyFile'),
    acceptedAlgorithms: list(given('acceptedAlgorithms'))?.map((value) => {
      return algorithm({ value, source: given('acceptedAlgorithms')?.source ?? '' });
    }),
    signingAlgorithm: optional(given('signingAlgorithm'), algorithm),
    signingKeyRotationDays: count('signingKeyRotationDays', 0),
    signatureVersion: optional(given('signatureVersion'), version),
    requestsPerSecond: count('requestsPerSecond', 0),
    requestBurst: count('requestBurst', 1),
    operatorRequestsPerSecond: count('operatorRequestsPerSecond', 0),
    loginTries: count('loginTries', 0),
    maxWebhooks: count('maxWebhooks', 1),
    sessionIdleMinutes: count('sessionIdleMinutes', 5),
    maxConnections: count('maxConnections', 1),
    headersTimeoutMs: count('headersTimeoutMs', 1),
    requestTimeoutMs: count('requestTimeoutMs', 1),
    deliveryCertFile: text('deliveryCertFile'),
    deliveryKeyFile: text('deliveryKeyFile'),
    deliveryCaFile: text('deliveryCaFile'),
    egressAllow: list(given('egressAllow')),
    egressDeny: list(given('egressDeny')),
    egressPorts: list(given('egressPorts'))?.map((value) => {
      return port({ value, source: given('egressPorts')?.source ?? '' });
    }),
    egressProxy: optional(given('egressProxy'), proxy),
  };
  const { keyEncryptionKey, keyEncryptionKeyFile, previousKeyEncryptionKey, previousKeyEncryptionKeyFile } = settings;
  if (keyEncryptionKey !== undefined && keyEncryptionKeyFile !== undefined) {
    throw usageError('BELLHOP_KEY_ENCRYPTION_KEY and its file contradict each other.', 'Give one of the two.');
  }
  const previous = previousKeyEncryptionKey ?? previousKeyEncryptionKeyFile;
  if (previousKeyEncryptionKey !== undefined && previousKeyEncryptionKeyFile !== undefined) {
    throw usageError('BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY and its file contradict each other.', 'Give one of the two.');
  }
  if (previous !== undefined && (keyEncryptionKey ?? keyEncryptionKeyFile) === undefined) {
    throw usageError('BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY needs the one of now.', 'Give BELLHOP_KEY_ENCRYPTION_KEY.');
  }
  if ((settings.deliveryCertFile === undefined) !== (settings.deliveryKeyFile === undefined)) {
    throw usageError('BELLHOP_DELIVERY_CERT_FILE and BELLHOP_DELIVERY_KEY_FILE belong together.', 'Give both.');
  }
  return settings;
}

/** What the service takes of them; reads the files. */
export function securityConfig(settings: SecuritySettings): Partial<ServiceConfig> {
  const { deliveryCertFile, deliveryKeyFile, deliveryCaFile } = settings;
  const cert = contents(deliveryCertFile, 'BELLHOP_DELIVERY_CERT_FILE');
  const key = contents(deliveryKeyFile, 'BELLHOP_DELIVERY_KEY_FILE');
  const ca = contents(deliveryCaFile, 'BELLHOP_DELIVERY_CA_FILE');
  return {
    keyEncryptionKey: secretOf(settings.keyEncryptionKey, settings.keyEncryptionKeyFile, 'KEY_ENCRYPTION_KEY_FILE'),
    previousKeyEncryptionKey: secretOf(
      settings.previousKeyEncryptionKey,
      settings.previousKeyEncryptionKeyFile,
      'PREVIOUS_KEY_ENCRYPTION_KEY_FILE',
    ),
    acceptedAlgorithms: settings.acceptedAlgorithms,
    signingAlgorithm: settings.signingAlgorithm,
    signingKeyRotationDays: settings.signingKeyRotationDays,
    signatureVersion: settings.signatureVersion,
    requestsPerSecond: settings.requestsPerSecond,
    requestBurst: settings.requestBurst,
    operatorRequestsPerSecond: settings.operatorRequestsPerSecond,
    loginTries: settings.loginTries,
    maxWebhooks: settings.maxWebhooks,
    sessionIdleMinutes: settings.sessionIdleMinutes,
    listenLimits: {
      maxConnections: settings.maxConnections,
      headersTimeoutMs: settings.headersTimeoutMs,
      requestTimeoutMs: settings.requestTimeoutMs,
    },
    deliveryTls: { ca: ca && certificatesOf(ca), clientCert: cert && key ? { cert, key } : undefined },
    egress: { allow: settings.egressAllow, deny: settings.egressDeny, ports: settings.egressPorts },
    egressProxy: settings.egressProxy,
  };
}

/** Those of the named files with secrets that others than their owner can read. Windows keeps no such modes. */
export function openSecretFiles(
  settings: SecuritySettings,
  platform: NodeJS.Platform = process.platform,
): readonly { readonly variable: string; readonly file: string }[] {
  if (platform === 'win32') return [];
  const named = [
    ['BELLHOP_KEY_ENCRYPTION_KEY_FILE', settings.keyEncryptionKeyFile],
    ['BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY_FILE', settings.previousKeyEncryptionKeyFile],
    ['BELLHOP_DELIVERY_KEY_FILE', settings.deliveryKeyFile],
  ] as const;
  return named.flatMap(([variable, file]) => (file !== undefined && isOpen(file) ? [{ variable, file }] : []));
}

/** One that cannot be asked for is not read either, and that is said elsewhere. */
function isOpen(file: string): boolean {
  try {
    return (statSync(file).mode & 0o077) !== 0;
  } catch {
    return false;
  }
}

function secretOf(text: string | undefined, file: string | undefined, variable: string): string | undefined {
  const value = contents(file, `BELLHOP_${variable}`)?.trim();
  return value === undefined ? text : secret({ value, source: `The file of BELLHOP_${variable}` });
}

/** OpenSSL reads only the first certificate of one text. */
function certificatesOf(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [pem];
}

function contents(file: string | undefined, source: string): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw usageError(`${source} names ${file}, which cannot be read (${code}).`);
  }
}

function optional<T>(given: Given | undefined, read: (given: Given) => T): T | undefined {
  return given === undefined ? undefined : read(given);
}

function secret(given: Given | undefined): string | undefined {
  if (given === undefined || given.value.length >= 32) return given?.value;
  throw usageError(
    `${given.source} must have at least 32 characters.`,
    'For example the output of: openssl rand -hex 32',
  );
}

/** An empty one would not mean none, but no limit at all. */
function list(given: Given | undefined): readonly string[] | undefined {
  const entries = given?.value.split(/[\s,]+/).filter((entry) => entry !== '');
  if (entries?.length === 0) throw usageError(`${given?.source} names nothing.`, 'Leave it out for no such limit.');
  return entries;
}

function algorithm({ value, source }: Given): Algorithm {
  const found = algorithms.find((each) => each === value);
  if (found === undefined) throw usageError(`${source} takes ${algorithms.join(', ')}, not "${value}".`);
  return found;
}

function port({ value, source }: Given): number {
  const number = Number(value);
  if (/^\d{1,5}$/.test(value) && number >= 1 && number <= 65_535) return number;
  throw usageError(`${source} takes ports from 1 to 65535, not "${value}".`);
}

function version({ value, source }: Given): 6 | 15 {
  if (value === '6') return 6;
  if (value === '15') return 15;
  throw usageError(`${source} must be 6 or 15, not "${value}".`);
}

export function wholeNumber(given: Given | undefined, least: number): number | undefined {
  if (given === undefined) return undefined;
  const number = Number(given.value);
  if (!/^\d{1,9}$/.test(given.value) || number < least) {
    throw usageError(`${given.source} must be a whole number from ${least} on, not "${given.value}".`);
  }
  return number;
}

/** The value is not repeated: it can hold a password. */
function proxy({ value, source }: Given): string {
  if (!URL.canParse(value) || new URL(value).protocol !== 'http:') {
    throw usageError(`${source} must be an http address.`, 'For example http://proxy.internal:3128.');
  }
  return value;
}
