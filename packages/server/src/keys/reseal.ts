// Brings every private key of the database under the key-encryption key of now, at the start of a process: those that were
// encrypted under the one before, and those that were stored before there was one. In one transaction, so that a key that
// opens with neither leaves everything as it was.
//
// Processes that run with the old key alone cannot open what is sealed anew: they are given both first (see
// docs/operations/security.md).

import { insertAudit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { isSealedUnder, openPrivateKey, sealPrivateKey } from './private-key-seal.ts';

interface Sealed {
  readonly id: string;
  readonly private_key: string;
  readonly encrypted: boolean;
}

export interface KeyEncryptionKeys {
  /** Seals. */
  readonly keyEncryptionKey: string | undefined;
  /** Opens what was sealed before a change. */
  readonly previousKeyEncryptionKey?: string | undefined;
}

/** Gives the number of keys that were sealed anew. */
export async function resealPrivateKeys(database: Database, keys: KeyEncryptionKeys, at: Date): Promise<number> {
  const { keyEncryptionKey, previousKeyEncryptionKey } = keys;
  if (keyEncryptionKey === undefined) return 0;
  return database.transaction(async (tx) => {
    let resealed = 0;
    const anew = (row: Sealed): string | undefined => {
      if (row.encrypted && isSealedUnder(row.private_key, keyEncryptionKey)) return undefined;
      const pem = row.encrypted
        ? openPrivateKey(row.private_key, keyEncryptionKey, previousKeyEncryptionKey)
        : row.private_key;
      resealed += 1;
      return sealPrivateKey(pem, keyEncryptionKey);
    };
    const signing = await tx.query<Sealed>(
      "select key_id as id, private_key, encrypted from signing_keys where status <> 'retired' order by key_id for update",
    );
    for (const row of signing) {
      const sealed = anew(row);
      if (sealed === undefined) continue;
      await tx.query('update signing_keys set private_key = $2, encrypted = true where key_id = $1', [row.id, sealed]);
    }
    const certificates = await tx.query<Sealed>(
      'select client_id as id, private_key, true as encrypted from tenant_certificates order by client_id for update',
    );
    for (const row of certificates) {
      const sealed = anew(row);
      if (sealed === undefined) continue;
      await tx.query('update tenant_certificates set private_key = $2 where client_id = $1', [row.id, sealed]);
    }
    if (resealed > 0) {
      await insertAudit(tx, {
        actor: 'start',
        action: 'private_keys.reseal',
        subject: 'private_keys',
        after: { resealed },
        at,
      });
    }
    return resealed;
  });
}
