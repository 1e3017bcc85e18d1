// Client certificates of deliveries, by tenant (contract/delivery.md "mTLS"): kept in the database with the private key
// encrypted, handed to the sender as ready TLS contexts. A context is kept for a minute, so that another process's change
// is seen within that, and their number is bounded. A tenant without one uses the certificate of the whole service.

import type { SecureContext } from 'node:tls';
import type { Queryable } from '../store/database.ts';
import type { CertificateBundle, CertificateFacts } from './certificate-bundle.ts';
import { openPrivateKey, sealPrivateKey } from './private-key-seal.ts';

/** What a delivery shows to its endpoint. Connections are shared by equal ids only. */
export interface TlsIdentity {
  readonly id: string;
  readonly context: SecureContext;
}

export interface TenantCertificate extends CertificateFacts {
  readonly clientId: string;
  readonly createdAt: Date;
}

export interface CertificateEndings {
  /** Of those that are good now; null: there is none. */
  readonly first: Date | null;
  /** How many have ended and lie there still. */
  readonly ended: number;
}

export interface TenantCertificates {
  /** False: private keys are not stored without a key-encryption key. */
  readonly canStore: boolean;
  put(db: Queryable, clientId: string, bundle: CertificateBundle): Promise<TenantCertificate>;
  find(db: Queryable, clientId: string): Promise<TenantCertificate | undefined>;
  remove(db: Queryable, clientId: string): Promise<boolean>;
  endings(): Promise<CertificateEndings>;
  /** After a change, once it is committed. */
  forget(clientId: string): void;
  /** Undefined: the tenant has none of its own. Rejects when its key cannot be opened: then nothing may be sent. */
  identityOf(clientId: string): Promise<TlsIdentity | undefined>;
}

export interface TenantCertificatesOptions {
  readonly database: Queryable;
  readonly keyEncryptionKey: string | undefined;
  readonly previousKeyEncryptionKey?: string | undefined;
  readonly contextOf: (clientCert: { readonly cert: string; readonly key: string }) => SecureContext;
  readonly now: () => number;
  readonly maxCached?: number;
}

interface CertificateRow {
  readonly client_id: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly not_before: Date;
  readonly not_after: Date;
  readonly created_at: Date;
}

const cacheMs = 60_000;
const shownColumns = 'client_id, fingerprint, subject, issuer, not_before, not_after, created_at';

export function createTenantCertificates(options: TenantCertificatesOptions): TenantCertificates {
  const { database, keyEncryptionKey, previousKeyEncryptionKey, contextOf, now, maxCached = 10_000 } = options;
  const cache = new Map<string, { readonly atMs: number; readonly identity: Promise<TlsIdentity | undefined> }>();

  async function load(clientId: string): Promise<TlsIdentity | undefined> {
    const [row] = await database.query<{ fingerprint: string; certificates: string; private_key: string }>(
      'select fingerprint, certificates, private_key from tenant_certificates where client_id = $1',
      [clientId],
    );
    if (!row) return undefined;
    const key = openPrivateKey(row.private_key, keyEncryptionKey, previousKeyEncryptionKey);
    return { id: row.fingerprint, context: contextOf({ cert: row.certificates, key }) };
  }

  return {
    canStore: keyEncryptionKey !== undefined,

    async put(db, clientId, bundle) {
      if (keyEncryptionKey === undefined) throw new TypeError('A certificate needs a key-encryption key');
      const [row] = await db.query<CertificateRow>(
        `insert into tenant_certificates
           (client_id, fingerprint, subject, issuer, not_before, not_after, certificates, private_key, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (client_id) do update set fingerprint = excluded.fingerprint, subject = excluded.subject,
           issuer = excluded.issuer, not_before = excluded.not_before, not_after = excluded.not_after,
           certificates = excluded.certificates, private_key = excluded.private_key, created_at = excluded.created_at
         returning ${shownColumns}`,
        [
          clientId,
          bundle.fingerprint,
          bundle.subject,
          bundle.issuer,
          bundle.notBefore,
          bundle.notAfter,
          bundle.cert,
          sealPrivateKey(bundle.key, keyEncryptionKey),
          new Date(now()),
        ],
      );
      if (!row) throw new TypeError('The certificate was not stored');
      return shown(row);
    },

    async find(db, clientId) {
      const sql = `select ${shownColumns} from tenant_certificates where client_id = $1`;
      const [row] = await db.query<CertificateRow>(sql, [clientId]);
      return row && shown(row);
    },

    async remove(db, clientId) {
      const sql = 'delete from tenant_certificates where client_id = $1 returning client_id';
      return (await db.query(sql, [clientId])).length > 0;
    },

    async endings() {
      const [row] = await database.query<{ first: Date | null; ended: number }>(
        `select min(not_after) filter (where not_after > $1) as first,
           (count(*) filter (where not_after <= $1))::integer as ended
         from tenant_certificates`,
        [new Date(now())],
      );
      return { first: row?.first ?? null, ended: row?.ended ?? 0 };
    },

    forget: (clientId) => void cache.delete(clientId),

    identityOf(clientId) {
      const known = cache.get(clientId);
      if (known && now() - known.atMs < cacheMs) return known.identity;
      const entry = { atMs: now(), identity: load(clientId) };
      cache.delete(clientId);
      cache.set(clientId, entry);
      if (cache.size > maxCached) {
        const [oldest] = cache.keys();
        if (oldest !== undefined) cache.delete(oldest);
      }
      entry.identity.catch(() => {
        // A failed load is not remembered; whoever awaits the promise gets the error.
        if (cache.get(clientId) === entry) cache.delete(clientId);
      });
      return entry.identity;
    },
  };
}

function shown(row: CertificateRow): TenantCertificate {
  return {
    clientId: row.client_id,
    fingerprint: row.fingerprint,
    subject: row.subject,
    issuer: row.issuer,
    notBefore: row.not_before,
    notAfter: row.not_after,
    createdAt: row.created_at,
  };
}
