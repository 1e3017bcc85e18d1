// TLS of deliveries: 1.2 or newer, certificates always verified (the environment cannot switch that off), our own
// authorities in addition to the built-in ones, and a client certificate where receivers ask for one (contract/delivery.md
// "mTLS"). One context for all connections: reading 150 root certificates takes longer than a handshake.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

export interface ClientCertificate {
  /** PEM, the chain included. */
  readonly cert: string | Buffer;
  /** PEM. */
  readonly key: string | Buffer;
  readonly passphrase?: string | undefined;
}

export interface TlsOptions {
  /** PEM certificates trusted in addition to the built-in ones. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  readonly clientCert?: ClientCertificate | undefined;
}

/** Throws when a certificate or key cannot be read: that is a mistake of configuration, found at start. */
export function createTlsContext({ ca, clientCert }: TlsOptions): SecureContext {
  const authorities = ca === undefined ? [] : [ca].flat();
  // OpenSSL takes text without a certificate in it for an empty list; parsing says so instead.
  for (const each of authorities) new X509Certificate(each);
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    ...(clientCert === undefined ? {} : { cert: clientCert.cert, key: clientCert.key }),
    ...(clientCert?.passphrase === undefined ? {} : { passphrase: clientCert.passphrase }),
  });
}
