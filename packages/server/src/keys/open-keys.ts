// The private keys of a service that starts: brought under the key-encryption key of now, then opened, so that a wrong one
// shows here and not at the first delivery.

import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ServiceConfig } from '../config.ts';
import { createTlsContext } from '../delivery/tls.ts';
import type { Database } from '../store/database.ts';
import type { Signals } from '../store/signals.ts';
import { measureCertificates } from './certificate-metrics.ts';
import { createServiceKeys } from './postgres-service-keys.ts';
import { resealPrivateKeys } from './reseal.ts';
import type { ServiceKeys } from './service-keys.ts';
import { createTenantCertificates, type TenantCertificates } from './tenant-certificates.ts';

export async function openKeys(options: {
  readonly database: Database;
  readonly signals: Signals;
  readonly config: ServiceConfig;
  readonly metrics: Registry;
  /** Of the certificate of the whole service. */
  readonly certificateNotAfter: Date | undefined;
  readonly logger: Logger;
  readonly onError: (error: unknown, where: string) => void;
}): Promise<{ readonly keys: ServiceKeys; readonly certificates: TenantCertificates }> {
  const { database, signals, config, metrics, certificateNotAfter, logger, onError } = options;
  const { keyEncryptionKey, previousKeyEncryptionKey, signingAlgorithm } = config;
  const sealing = { keyEncryptionKey, previousKeyEncryptionKey };
  const resealed = await resealPrivateKeys(database, sealing, new Date());
  if (resealed > 0) logger.info({ resealed }, 'private keys sealed anew');

  const keys = createServiceKeys({
    database,
    signals,
    ...sealing,
    ...(signingAlgorithm === undefined ? {} : { algorithm: signingAlgorithm }),
  });
  await keys.active();
  const certificates = createTenantCertificates({
    database,
    ...sealing,
    contextOf: (clientCert) => createTlsContext({ ca: config.deliveryTls?.ca, clientCert }),
    now: Date.now,
  });
  measureCertificates({
    registry: metrics,
    notAfter: certificateNotAfter,
    certificates,
    onError: (error) => onError(error, 'metrics'),
  });
  return { keys, certificates };
}
