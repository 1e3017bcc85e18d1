// The audit trail: who changed what, written in the transaction of the change. `before` and `after` hold what a reader needs
// to understand it and never a secret: callers choose the fields.

import { v7 as uuidv7 } from 'uuid';
import type { Queryable } from './database.ts';

export interface AuditEntry {
  /** `operator` or `tenant:<client id>`. */
  readonly actor: string;
  /** `<thing>.<verb>`, as in `webhook.skip`. */
  readonly action: string;
  /** `<thing>:<id>`. */
  readonly subject: string;
  readonly clientId?: string | undefined;
  readonly before?: Readonly<Record<string, unknown>> | undefined;
  readonly after?: Readonly<Record<string, unknown>> | undefined;
  readonly at: Date;
}

export interface AuditRow {
  readonly id: string;
  readonly at: Date;
  /** With microseconds, for the cursor of a page. */
  readonly at_text: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly client_id: string | null;
  readonly before: unknown;
  readonly after: unknown;
}

export interface AuditFilter {
  readonly subject?: string | undefined;
  readonly action?: string | undefined;
  readonly clientId?: string | undefined;
  readonly before?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

export async function insertAudit(tx: Queryable, entry: AuditEntry): Promise<void> {
  await tx.query(
    // As text first: postgres.js would encode a string for a jsonb parameter once more.
    `insert into audit (id, at, actor, action, subject, client_id, before, after)
     values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb)`,
    [
      uuidv7(),
      entry.at,
      entry.actor,
      entry.action,
      entry.subject,
      entry.clientId ?? null,
      entry.before === undefined ? null : JSON.stringify(entry.before),
      entry.after === undefined ? null : JSON.stringify(entry.after),
    ],
  );
}

/** Newest first. */
export async function listAudit(db: Queryable, filter: AuditFilter): Promise<AuditRow[]> {
  return db.query<AuditRow>(
    `select *, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at_text from audit
     where ($2::text is null or subject = $2) and ($3::text is null or action = $3) and ($4::uuid is null or client_id = $4)
       and ($5::text is null or (at, id) < ($5::text::timestamptz, $6::uuid))
     order by at desc, id desc limit $1`,
    [
      filter.limit,
      filter.subject ?? null,
      filter.action ?? null,
      filter.clientId ?? null,
      filter.before?.at ?? null,
      filter.before?.id ?? null,
    ],
  );
}
