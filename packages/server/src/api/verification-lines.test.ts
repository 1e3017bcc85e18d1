import { describe, expect, it } from 'vitest';
import { createVerificationLines, type UnprovedCall } from './verification-lines.ts';

const anonymous = (clientId: string): UnprovedCall => ({ clientId, authorization: null });
const bearing = (clientId: string, token: string): UnprovedCall => ({ clientId, authorization: `Bearer ${token}` });

/** Verifications that go on until all are let go, and whose calls have begun. */
function start(options: Partial<Parameters<typeof createVerificationLines>[0]> = {}) {
  const lines = createVerificationLines({ maxWaitingEach: 100, ...options });
  const begun: UnprovedCall[] = [];
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  return {
    proved: lines.proved,
    letGo: () => letGo(),
    arrive: (call: UnprovedCall) =>
      lines.tryRun(call, async () => {
        begun.push(call);
        await held;
        return 'verified' as const;
      }),
    begunOf: (clientId: string) => begun.filter((call) => call.clientId === clientId).length,
    begun: () => begun.length,
  };
}

describe('the lines of verifications', () => {
  it('let a client with a token of its own pass a crowd of strangers under its name', async () => {
    const hall = start();
    hall.proved(bearing('a', 'true'));
    const crowd = Array.from({ length: 50 }, (_, index) => hall.arrive(bearing('a', `made up ${index}`)));
    expect(hall.begun()).toBe(2);
    const calls = [hall.arrive(bearing('a', 'true')), hall.arrive(bearing('a', 'true'))];
    expect(hall.begun()).toBe(4);
    hall.letGo();
    expect(new Set(await Promise.all([...crowd, ...calls]))).toEqual(new Set(['verified']));
  });

  it("take another client's token for a stranger's", () => {
    const hall = start();
    hall.proved(bearing('a', 'true'));
    hall.proved(bearing('b', 'other'));
    for (let count = 0; count < 5; count += 1) void hall.arrive(bearing('b', 'true'));
    expect(hall.begunOf('b')).toBe(2);
    void hall.arrive(bearing('b', 'other'));
    expect(hall.begunOf('b')).toBe(3);
  });

  it('put ids that nobody has heard of into one line, beside those of known clients', () => {
    const hall = start();
    hall.proved(anonymous('known'));
    for (let index = 0; index < 50; index += 1) void hall.arrive(anonymous(`made up ${index}`));
    expect(hall.begun()).toBe(2);
    void hall.arrive(anonymous('known'));
    expect(hall.begunOf('known')).toBe(1);
  });

  it('have few at work at a time, and of one client half of them', () => {
    const hall = start();
    const clients = Array.from({ length: 5 }, (_, index) => `client ${index}`);
    for (const clientId of clients) hall.proved(bearing(clientId, 'true'));
    const arrive = (call: UnprovedCall) => {
      for (let count = 0; count < 20; count += 1) void hall.arrive(call);
    };
    arrive(bearing('client 0', 'true'));
    expect(hall.begunOf('client 0')).toBe(4);
    for (const clientId of clients) arrive(bearing(clientId, 'true'));
    expect(hall.begun()).toBe(8);
    for (const clientId of clients) arrive(anonymous(clientId));
    expect(hall.begun()).toBe(12);
  });

  it('turn away who finds his line full, and only him', async () => {
    const hall = start({ maxWaitingEach: 3 });
    hall.proved(bearing('a', 'true'));
    const crowd = Array.from({ length: 10 }, () => hall.arrive(anonymous('a')));
    const other = hall.arrive(anonymous('nobody'));
    const own = hall.arrive(bearing('a', 'true'));
    hall.letGo();
    expect((await Promise.all(crowd)).filter((answer) => answer === undefined)).toHaveLength(5);
    expect([await other, await own]).toEqual(['verified', 'verified']);
  });

  it('remember the tokens and clients proved last', () => {
    const hall = start({ maxClients: 2 });
    for (const clientId of ['a', 'b', 'c']) hall.proved(bearing(clientId, 'true'));
    for (let token = 0; token < 16; token += 1) hall.proved(bearing('c', `next ${token}`));
    // Strangers now: an id that was forgotten, and a token.
    for (let count = 0; count < 5; count += 1) {
      void hall.arrive(bearing('a', 'true'));
      void hall.arrive(bearing('c', 'true'));
    }
    expect([hall.begunOf('a'), hall.begunOf('c')]).toEqual([2, 2]);
    for (let count = 0; count < 5; count += 1) void hall.arrive(bearing('c', 'next 15'));
    expect(hall.begunOf('c')).toBe(6);
  });
});
