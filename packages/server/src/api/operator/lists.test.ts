// Every list of the operator API is paged in the same way. Most have tests of their own; here are the rule, and those lists
// that are short as a rule.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { field, operatorToken, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { operatorRoutes } from './index.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
let tenant: TestTenant;
let nowMs = Date.parse('2026-03-01T12:00:00Z');

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  operator = operatorOf(api);
  tenant = await api.tenant();
});
afterAll(() => api.close());

const path = (rest: string): string => `/operator/tenants/${tenant.clientId}/${rest}`;

/** All rows, two a page; each page but the last is full. */
async function readAll(target: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (let cursor = ''; ; ) {
    const { json } = await operator('GET', `${target}?limit=2${cursor}`);
    const data = field(json, 'data');
    if (!Array.isArray(data)) throw new TypeError('No list');
    expect(data.length).toBeLessThanOrEqual(2);
    rows.push(...data);
    const next = field(json, 'next_cursor');
    if (typeof next !== 'string') return rows;
    expect(data).toHaveLength(2);
    cursor = `&cursor=${next}`;
  }
}

const listed = async (target: string): Promise<unknown> => field((await operator('GET', target)).json, 'data');

describe('a list', () => {
  // Four lists ignored limit, cursor and whatever else was asked for.
  it('takes limit and cursor, and refuses what it does not know', async () => {
    const lists = operatorRoutes(api.deps).filter(({ method, responses }) => {
      const schema = responses[200]?.schema;
      return method === 'GET' && schema instanceof z.ZodObject && 'next_cursor' in schema.shape;
    });
    expect(lists.length).toBeGreaterThan(10);
    for (const route of lists) {
      const target = route.path.replace('{client_id}', tenant.clientId).replace('{webhook_id}', randomUUID());
      for (const query of ['limit=0', 'limit=501', 'cursor=x', 'nonsense=1']) {
        const answer = await operator('GET', `${target}?${query}`);
        expect(answer.status, `${target}?${query}`).toBe(400);
        expect(field(answer.json, 'detail')).toContain(`${query.split('=')[0]}: `);
      }
    }
  });

  it('of operator tokens comes page by page, oldest first, also those of one moment', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const [index, name] of names.entries()) {
      if (index > 2) nowMs += 1;
      await operator('POST', '/operator/tokens', { body: { name, role: 'read' } });
    }
    const rows = await readAll('/operator/tokens');
    expect(rows).toEqual(await listed('/operator/tokens'));
    expect(rows.map((row) => field(row, 'name')).sort()).toEqual(names);
  });

  it('of sessions comes page by page', async () => {
    for (let count = 0; count < 5; count += 1) {
      const made = await api.call({ method: 'POST', target: '/operator/session', token: operatorToken });
      await api.call({ target: new URL(String(field(made.json, 'url'))).pathname });
    }
    const rows = await readAll('/operator/sessions');
    expect(rows).toHaveLength(5);
    expect(rows).toEqual(await listed('/operator/sessions'));
  });

  it('of tenant links comes page by page, newest first', async () => {
    const made: unknown[] = [];
    for (let count = 0; count < 5; count += 1) {
      nowMs += 1;
      made.unshift(field((await operator('POST', path('links'))).json, 'id'));
    }
    expect((await readAll(path('links'))).map((row) => field(row, 'id'))).toEqual(made);
  });

  it('of refused calls comes page by page, most frequent first', async () => {
    const counts = { expired: 3, token: 2, scope: 2, replayed: 1, unknown_key: 1 };
    for (const [reason, calls] of Object.entries(counts)) {
      for (let call = 0; call < calls; call += 1) api.deps.usage.refused(tenant.clientId, reason);
    }
    const rows = await readAll(path('refused-calls'));
    expect(rows.map((row) => [field(row, 'reason'), field(row, 'calls')])).toEqual([
      ['expired', 3],
      ['scope', 2],
      ['token', 2],
      ['replayed', 1],
      ['unknown_key', 1],
    ]);
  });
});
