import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;

beforeAll(async () => {
  api = await startApi();
  operator = operatorOf(api);
});
afterAll(() => api.close());

const idOf = (answer: unknown, which: string): string => String(field(field(answer, which), 'key_id'));

async function published(): Promise<string[]> {
  return (await api.deps.keys.published()).map(({ kid }) => kid);
}

describe('withdrawing a signing key', () => {
  it('makes the next one sign at once, and stands in the list and in the audit trail', async () => {
    const stolen = (await api.deps.keys.active()).keyId;
    const next = (await api.deps.keys.next()).keyId;
    const answer = await operator('DELETE', `/operator/signing-keys/${stolen}`);
    expect(answer.status).toBe(200);
    expect(idOf(answer.json, 'active')).toBe(next);
    expect((await api.deps.keys.active()).keyId).toBe(next);
    expect(await published()).toEqual([next, idOf(answer.json, 'next')]);
    const listed = await operator('GET', '/operator/signing-keys');
    expect(field(listed.json, 'data')).toContainEqual(
      expect.objectContaining({ key_id: stolen, status: 'retired', withdrawn_at: expect.any(String) }),
    );
    const audit = await operator('GET', '/operator/audit?action=signing_keys.withdraw');
    expect(field(audit.json, 'data')).toMatchObject([
      { actor: 'operator', before: { withdrawn: stolen, status: 'active' }, after: { active: next } },
    ]);
  });

  it('ends the overlap of a rotation that was forced before, and changes nothing else', async () => {
    const stolen = (await api.deps.keys.active()).keyId;
    const rotated = await operator('POST', '/operator/signing-keys/rotate', { body: { force: true } });
    expect(await published()).toContain(stolen);
    const answer = await operator('DELETE', `/operator/signing-keys/${stolen.toUpperCase()}`);
    expect(answer.json).toEqual(rotated.json);
    expect(await published()).toEqual([idOf(rotated.json, 'active'), idOf(rotated.json, 'next')]);
  });

  it('is refused for what is not published, and leaves no trace then', async () => {
    const id = (await api.deps.keys.next()).keyId;
    expect((await operator('DELETE', `/operator/signing-keys/${id}`)).status).toBe(200);
    const before = await api.database.query('select * from audit');
    expect((await operator('DELETE', `/operator/signing-keys/${id}`)).status).toBe(404);
    expect((await operator('DELETE', `/operator/signing-keys/${crypto.randomUUID()}`)).status).toBe(404);
    expect((await operator('DELETE', '/operator/signing-keys/rotate')).status).toBe(405);
    expect(await api.database.query('select * from audit')).toEqual(before);
  });
});
