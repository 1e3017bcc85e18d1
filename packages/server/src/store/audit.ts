// The audit trail: who changed what, written in the transaction of the change. `before` and `after` hold what a reader needs
// to understand it and never a secret: callers choose the fields.

import { v7 as uuidv7 } from 'uuid';
import type { Parameter, Queryable } from './database.ts';

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
    // As text first: what a string for a jsonb parameter means is not the same for all drivers.
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

/** Newest first. Only the conditions that are asked for: the planner then takes the index by subject or by time. */
export async function listAudit(db: Queryable, filter: AuditFilter): Promise<AuditRow[]> {
  const parameters: Parameter[] = [filter.limit];
  const conditions: string[] = [];
  if (filter.subject !== undefined) conditions.push(`subject = $${parameters.push(filter.subject)}`);
  if (filter.action !== undefined) conditions.push(`action = $${parameters.push(filter.action)}`);
  if (filter.clientId !== undefined) conditions.push(`client_id = $${parameters.push(filter.clientId)}`);
  if (filter.before) {
    const at = `$${parameters.push(filter.before.at)}::text::timestamptz`;
    conditions.push(`(at, id) < (${at}, $${parameters.push(filter.before.id)}::uuid)`);
  }
  return db.query<AuditRow>(
    `select *, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at_text from audit
     ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''} order by at desc, id desc limit $1`,
    parameters,
  );
}
