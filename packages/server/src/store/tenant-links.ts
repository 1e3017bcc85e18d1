// Tenant links at rest: a secret that shows one tenant its own webhooks, events and deliveries until it ends, is revoked, or
// the operator token it was made with goes, expires or, being the configured one, changes. Only the SHA-256 of the secret is
// kept.

import type { Queryable } from './database.ts';
import { noLaterThanToken, restsOnGoodToken, type TokenCheck } from './operator-access.ts';

export interface TenantLinkRow {
  readonly id: string;
  readonly client_id: string;
  readonly made_by: string;
  readonly expires_at: Date;
  readonly created_at: Date;
  /** The first time. */
  readonly opened_at: Date | null;
}

const columns = 'id, client_id, made_by, expires_at, created_at, opened_at';

/** Undefined when there is no such tenant. */
export async function insertTenantLink(
  db: Queryable,
  link: {
    readonly id: string;
    readonly clientId: string;
    readonly hash: Uint8Array;
    readonly madeBy: string;
    /** What it rests on; undefined: the configured token. */
    readonly tokenId: string | undefined;
    readonly configuredHash: Uint8Array;
    /** Earlier when its token ends earlier. */
    readonly expiresAt: Date;
    readonly now: Date;
  },
): Promise<TenantLinkRow | undefined> {
  const { id, clientId, hash, madeBy, tokenId, configuredHash, expiresAt, now } = link;
  const [row] = await db.query<TenantLinkRow>(
    `insert into tenant_links (id, client_id, secret_hash, made_by, token_id, configured_hash, expires_at, created_at)
     select $1, client_id, $3, $4, $5, $6, ${noLaterThanToken('$7', '$5')}, $8 from tenants where client_id = $2
     returning ${columns}`,
    [id, clientId, hash, madeBy, tokenId ?? null, tokenId === undefined ? configuredHash : null, expiresAt, now],
  );
  return row;
}

/** Undefined for one that is unknown, revoked or has ended, by itself or with its token. */
export async function findTenantLink(
  db: Queryable,
  hash: Uint8Array,
  { now, configuredHash }: TokenCheck,
): Promise<(TenantLinkRow & { readonly tenant: string; readonly partition: number }) | undefined> {
  const [row] = await db.query<TenantLinkRow & { readonly tenant: string; readonly partition: number }>(
    `select l.id, l.client_id, l.made_by, l.expires_at, l.created_at, l.opened_at, t.name as tenant, t.partition
     from tenant_links l join tenants t using (client_id) where l.secret_hash = $1 and l.expires_at > $2
       and ${restsOnGoodToken('$2', '$3')}`,
    [hash, now, configuredHash],
  );
  return row;
}

export async function noteTenantLinkOpened(db: Queryable, id: string, now: Date): Promise<void> {
  await db.query('update tenant_links set opened_at = $2 where id = $1 and opened_at is null', [id, now]);
}

/** Those that still open, newest first. */
export async function listTenantLinks(
  db: Queryable,
  clientId: string,
  { now, configuredHash }: TokenCheck,
  options: {
    readonly limit: number;
    /** The last row of the page before. */
    readonly before?: { readonly createdAt: Date; readonly id: string } | undefined;
  },
): Promise<TenantLinkRow[]> {
  const { limit, before } = options;
  return db.query<TenantLinkRow>(
    `select ${columns} from tenant_links where client_id = $1 and expires_at > $2 and ${restsOnGoodToken('$2', '$3')}
       and ($4::timestamptz is null or (created_at, id) < ($4::timestamptz, $5::uuid))
     order by created_at desc, id desc limit $6`,
    [clientId, now, configuredHash, before?.createdAt ?? null, before?.id ?? null, limit],
  );
}

export async function deleteTenantLink(
  db: Queryable,
  clientId: string,
  id: string,
): Promise<TenantLinkRow | undefined> {
  const [row] = await db.query<TenantLinkRow>(
    `delete from tenant_links where client_id = $1 and id = $2 returning ${columns}`,
    [clientId, id],
  );
  return row;
}

export async function deleteExpiredTenantLinks(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from tenant_links where expires_at <= $1', [now]);
}
