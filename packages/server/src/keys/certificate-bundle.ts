// Reads a client certificate as operators hand it over: PEM text with one private key and one or more certificates, the
// first of which is the key's. What it refuses would only fail later, in a handshake that nobody watches.
// It does not check trust or validity in time: that is the receiver's to judge, and a certificate may be stored early.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

export interface CertificateFacts {
  /** SHA-256 of the first certificate, in lower-case hexadecimal. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface CertificateBundle extends CertificateFacts {
  /** PEM, the chain included. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export type BundleResult =
  | { readonly ok: true; readonly bundle: CertificateBundle }
  | { readonly ok: false; readonly detail: string };

const certificatePattern = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const keyPattern = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/g;
const maxCertificates = 10;

export function readCertificateBundle(pem: string): BundleResult {
  const refuse = (detail: string): BundleResult => ({ ok: false, detail });
  const certificates = pem.match(certificatePattern) ?? [];
  const [keyText, ...otherKeys] = pem.match(keyPattern) ?? [];
  if (keyText === undefined || otherKeys.length > 0) return refuse('must hold exactly one private key in PEM form');
  if (keyText.includes('ENCRYPTED')) return refuse('must hold the private key without a passphrase');
  const [first] = certificates;
  if (first === undefined || certificates.length > maxCertificates) {
    return refuse(`must hold 1 to ${maxCertificates} certificates in PEM form`);
  }
  const key = readKey(keyText);
  if (!key) return refuse('holds a private key that cannot be read');
  const read = certificates.map(readCertificate);
  const leaf = read[0];
  if (leaf === undefined || read.includes(undefined)) return refuse('holds a certificate that cannot be read');
  if (!leaf.checkPrivateKey(key)) return refuse('must begin with the certificate of its private key');
  return {
    ok: true,
    bundle: {
      ...factsOf(leaf),
      cert: `${certificates.join('\n')}\n`,
      key: String(key.export({ type: 'pkcs8', format: 'pem' })),
    },
  };
}

/** Of the first certificate of PEM text; throws when there is none. */
export function certificateFacts(cert: string | Buffer): CertificateFacts {
  return factsOf(new X509Certificate(cert));
}

function factsOf(leaf: X509Certificate): CertificateFacts {
  return {
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: oneLine(leaf.subject),
    issuer: oneLine(leaf.issuer),
    notBefore: new Date(leaf.validFrom),
    notAfter: new Date(leaf.validTo),
  };
}

/** Node puts each attribute on a line. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ').replaceAll('\0', '\ufffd').slice(0, 1_000);
}

function readKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    // What OpenSSL says of a broken key helps nobody and may quote it.
    return undefined;
  }
}

function readCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}
