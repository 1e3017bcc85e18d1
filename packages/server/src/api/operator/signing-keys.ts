// Operator API, the service's own keys: which sign deliveries, which are published, making the next one the active one, and
// withdrawing one that was stolen.

import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import type { Queryable } from '../../store/database.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';

interface SigningKeyRow {
  readonly key_id: string;
  readonly algorithm: string;
  readonly public_jwk: Readonly<Record<string, string>>;
  readonly status: 'next' | 'active' | 'retired';
  readonly published_at: Date;
  readonly published_text: string;
  readonly activated_at: Date | null;
  readonly retired_at: Date | null;
  readonly withdrawn_at: Date | null;
}

const keySchema = z.strictObject({
  key_id: z.uuid(),
  algorithm: z.string(),
  status: z.enum(['next', 'active', 'retired']),
  public_jwk: z.looseObject({}),
  published_at: z.iso.datetime(),
  activated_at: z.iso.datetime().nullable(),
  retired_at: z.iso.datetime().nullable(),
  withdrawn_at: z.iso.datetime().nullable().describe('Since then it is not published.'),
});

const pairSchema = z.strictObject({ active: keySchema, next: keySchema });

const columns = `key_id, algorithm, public_jwk, status, published_at, activated_at, retired_at, withdrawn_at,
  to_char(published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as published_text`;

function show(row: SigningKeyRow): z.infer<typeof keySchema> {
  return {
    key_id: row.key_id,
    algorithm: row.algorithm,
    status: row.status,
    public_jwk: row.public_jwk,
    published_at: row.published_at.toISOString(),
    activated_at: row.activated_at?.toISOString() ?? null,
    retired_at: row.retired_at?.toISOString() ?? null,
    withdrawn_at: row.withdrawn_at?.toISOString() ?? null,
  };
}

export function signingKeyRoutes(deps: ApiDependencies): Route[] {
  const { database, keys, signals } = deps;

  /** Newest first. The private part stays where it is. */
  const list = (db: Queryable, limit: number, before?: { at: string; id: string }): Promise<SigningKeyRow[]> =>
    db.query<SigningKeyRow>(
      `select ${columns} from signing_keys
       where $2::text is null or (published_at, key_id) < ($2::text::timestamptz, $3::uuid)
       order by published_at desc, key_id desc limit $1`,
      [limit, before?.at ?? null, before?.id ?? null],
    );

  const pair = async (tx: Queryable, ids: { readonly active: string; readonly next: string }): Promise<Answer> => {
    const sql = `select ${columns} from signing_keys where key_id = $1 or key_id = $2`;
    const rows = await tx.query<SigningKeyRow>(sql, [ids.active, ids.next]);
    const active = rows.find((row) => row.key_id === ids.active);
    const next = rows.find((row) => row.key_id === ids.next);
    if (!active || !next) throw new TypeError('There is no pair of an active and a next key');
    return { status: 200, body: { active: show(active), next: show(next) } };
  };

  return [
    route({
      method: 'GET',
      path: '/operator/signing-keys',
      access: 'operator',
      operationId: 'listSigningKeys',
      summary: 'List the keys that sign deliveries, newest first',
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(keySchema) } },
      async handle({ query }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return problem('bad_request', 'cursor: is not one of this list');
        // The keys are made at first use: asking for one makes sure that there are some to list.
        await keys.active();
        const rows = await list(database, query.limit + 1, before);
        return {
          status: 200,
          body: page(rows, query.limit, (row) => ({ at: row.published_text, id: row.key_id }), show),
        };
      },
    }),

    route({
      method: 'POST',
      path: '/operator/signing-keys/rotate',
      access: 'operator',
      role: 'admin',
      operationId: 'rotateSigningKeys',
      summary: 'Make the next key the active one; 409 while receivers may not have it yet, unless forced',
      body: {
        contentTypes: ['application/json'],
        schema: z.strictObject({ force: z.boolean().optional() }).optional(),
        format: 'json',
        required: false,
      },
      responses: {
        200: { description: 'The keys as they are now', schema: pairSchema },
      },
      async handle({ body, actor, keepAnswer }): Promise<Answer> {
        const force = body?.force === true;
        await keys.active();
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const result = await keys.rotate(tx, { force });
          if (!result.rotated) {
            const readyAt = result.readyAt.toISOString();
            return problem(
              'conflict',
              `The next key is not published long enough: rotate after ${readyAt}, or force it`,
            );
          }
          await insertAudit(tx, {
            actor,
            action: 'signing_keys.rotate',
            subject: 'signing_keys',
            before: { active: result.retired },
            after: { active: result.active, next: result.next, forced: force },
            at: new Date(deps.now()),
          });
          const done = await pair(tx, result);
          await keepAnswer(tx, done);
          return done;
        });
        signals.signingKeysChanged();
        return answer;
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/signing-keys/{key_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'withdrawSigningKey',
      summary:
        'Withdraw a stolen key at once: it is not published and does not sign any more; the next one signs instead',
      params: z.strictObject({ key_id: uuidSchema }),
      responses: { 200: { description: 'The keys as they are now', schema: pairSchema } },
      async handle({ params, actor }): Promise<Answer> {
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const result = await keys.withdraw(tx, params.key_id);
          if (!result) return problem('not_found', `No key ${params.key_id} is published`);
          await insertAudit(tx, {
            actor,
            action: 'signing_keys.withdraw',
            subject: 'signing_keys',
            before: { withdrawn: params.key_id, status: result.status },
            after: { active: result.active, next: result.next },
            at: new Date(deps.now()),
          });
          return pair(tx, result);
        });
        signals.signingKeysChanged();
        return answer;
      },
    }),
  ];
}
