// Tenants and their public keys. A tenant lives in one partition, chosen at its creation as the one with the fewest
// tenants. Secrets come in as hashes; the secret before the last rotation stays good until `previous_secret_until`.

import type { Queryable } from './database.ts';

export interface TenantRow {
  readonly client_id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly partition: number;
  readonly secret_hash: string;
  readonly previous_secret_hash: string | null;
  readonly previous_secret_until: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface TenantKeyRow {
  readonly key_id: string;
  readonly client_id: string;
  readonly algorithm: string;
  /** PEM SubjectPublicKeyInfo. */
  readonly public_key: string;
  readonly created_at: Date;
  /** To about a minute. */
  readonly last_used_at: Date | null;
}

export interface NewTenant {
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly secretHash: string;
  readonly now: Date;
}

/** Undefined when the client id is taken. */
export async function insertTenant(db: Queryable, tenant: NewTenant): Promise<TenantRow | undefined> {
  const [row] = await db.query<TenantRow>(
    `insert into tenants (client_id, name, scopes, partition, secret_hash, created_at, updated_at)
     select $1, $2, $3, p.id, $4, $5, $5
     from partitions p left join tenants t on t.partition = p.id
     group by p.id order by count(t.client_id), p.id limit 1
     on conflict (client_id) do nothing
     returning *`,
    [tenant.clientId, tenant.name, tenant.scopes, tenant.secretHash, tenant.now],
  );
  return row;
}

export async function findTenant(db: Queryable, clientId: string): Promise<TenantRow | undefined> {
  const [row] = await db.query<TenantRow>('select * from tenants where client_id = $1', [clientId]);
  return row;
}

/** In order of creation, after the given position. */
export async function listTenants(
  db: Queryable,
  page: {
    readonly limit: number;
    readonly after?: { readonly createdAt: Date; readonly clientId: string } | undefined;
  },
): Promise<TenantRow[]> {
  return db.query<TenantRow>(
    `select * from tenants
     where $2::timestamptz is null or (created_at, client_id) > ($2, $3::uuid)
     order by created_at, client_id limit $1`,
    [page.limit, page.after?.createdAt ?? null, page.after?.clientId ?? null],
  );
}

export async function updateTenant(
  db: Queryable,
  clientId: string,
  change: { readonly name?: string | undefined; readonly scopes?: readonly string[] | undefined; readonly now: Date },
): Promise<TenantRow | undefined> {
  const [row] = await db.query<TenantRow>(
    `update tenants set name = coalesce($2, name), scopes = coalesce($3, scopes), updated_at = $4
     where client_id = $1 returning *`,
    [clientId, change.name ?? null, change.scopes ?? null, change.now],
  );
  return row;
}

/** The secret of now stays good until `previousUntil`. */
export async function rotateTenantSecret(
  db: Queryable,
  clientId: string,
  change: { readonly secretHash: string; readonly previousUntil: Date; readonly now: Date },
): Promise<TenantRow | undefined> {
  const [row] = await db.query<TenantRow>(
    `update tenants set previous_secret_hash = secret_hash, previous_secret_until = $3, secret_hash = $2, updated_at = $4
     where client_id = $1 returning *`,
    [clientId, change.secretHash, change.previousUntil, change.now],
  );
  return row;
}

/** Takes keys, tokens and webhooks along; events and attempts stay until retention takes them. */
export async function deleteTenant(db: Queryable, clientId: string): Promise<boolean> {
  const rows = await db.query('delete from tenants where client_id = $1 returning client_id', [clientId]);
  return rows.length > 0;
}

export async function insertTenantKey(
  db: Queryable,
  key: {
    readonly keyId: string;
    readonly clientId: string;
    readonly algorithm: string;
    readonly publicKey: string;
    readonly now: Date;
  },
): Promise<TenantKeyRow | undefined> {
  const [row] = await db.query<TenantKeyRow>(
    `insert into tenant_keys (key_id, client_id, algorithm, public_key, created_at)
     select $1, client_id, $3, $4, $5 from tenants where client_id = $2
     on conflict (key_id) do nothing returning *`,
    [key.keyId, key.clientId, key.algorithm, key.publicKey, key.now],
  );
  return row;
}

/** The key of that id if it is this tenant's, with the tenant's partition: what every signed call asks for. */
export async function findTenantKey(
  db: Queryable,
  clientId: string,
  keyId: string,
): Promise<(TenantKeyRow & { readonly partition: number }) | undefined> {
  const [row] = await db.query<TenantKeyRow & { readonly partition: number }>(
    'select k.*, n.partition from tenant_keys k join tenants n using (client_id) where k.key_id = $1 and client_id = $2',
    [keyId, clientId],
  );
  return row;
}

export async function listTenantKeys(db: Queryable, clientId: string): Promise<TenantKeyRow[]> {
  return db.query<TenantKeyRow>('select * from tenant_keys where client_id = $1 order by created_at, key_id', [
    clientId,
  ]);
}

export async function deleteTenantKey(db: Queryable, clientId: string, keyId: string): Promise<boolean> {
  const rows = await db.query('delete from tenant_keys where key_id = $1 and client_id = $2 returning key_id', [
    keyId,
    clientId,
  ]);
  return rows.length > 0;
}
