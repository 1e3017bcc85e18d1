import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  catalogueExample,
  compareInstants,
  type EventType,
  ExampleError,
  type ExampleOptions,
  eventTypes,
  example,
  isInstant,
  type UndeliveredEvent,
} from './index.ts';
import { validateEvent } from './validate.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ANY_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const ORDER_ID = '0b5c1a52-8c0e-4d55-9a4b-6f5f2c7de901';

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const field = (object: object, name: string): unknown => Reflect.get(object, name);

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}

function failure(type: string, options: ExampleOptions): ExampleError {
  try {
    example(type, options);
  } catch (error) {
    if (error instanceof ExampleError) return error;
    throw error;
  }
  throw new Error('an ExampleError was expected');
}

describe('example', () => {
  it('is valid for every type, seed and time', () => {
    const nowMs = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(nowMs, fc.integer(), (now, seed) => {
        for (const type of eventTypes) {
          const event = example(type, { now: () => now, random: seeded(seed) });
          expect(validateEvent(event, { as: 'published' }), type).toEqual({ ok: true });
          expect(event.type).toBe(type);
          expect(event.created_at).toBe(new Date(now).toISOString());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has no time after the event, and a resource is not changed before it is created', () => {
    const nowMs = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(nowMs, fc.integer(), fc.constantFrom(...eventTypes), (now, seed, type) => {
        const event = example(type, { now: () => now, random: seeded(seed) });
        const instants = texts(event.object).filter(isInstant);
        for (const instant of instants) expect(compareInstants(instant, event.created_at)).toBeLessThanOrEqual(0);
        const created = field(event.object, 'created_at');
        const updated = field(event.object, 'updated_at');
        if (typeof created === 'string' && typeof updated === 'string') {
          expect(compareInstants(created, updated)).toBeLessThanOrEqual(0);
          expect(Date.parse(event.created_at) - Date.parse(updated)).toBeLessThan(2001);
        }
        const start = field(event.object, 'period_start');
        const end = field(event.object, 'period_end');
        if (typeof start === 'string' && typeof end === 'string') {
          expect(start.slice(0, 8)).toBe(end.slice(0, 8));
          expect(Date.parse(end)).toBeLessThanOrEqual(now);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('has new ids at each call', () => {
    for (const type of eventTypes) {
      const [a, b] = [example(type), example(type)];
      expect(a.id).toMatch(UUID);
      const fixed = new Set(JSON.stringify(catalogueExample(type.split('.')[0] ?? '')).match(ANY_UUID));
      const withoutInstruments = (event: object) => JSON.stringify(event).replaceAll(/"uuid":"[^"]*"/g, '');
      const idsOf = (event: object) => withoutInstruments(event).match(ANY_UUID) ?? [];
      const seen = new Set([...fixed, ...idsOf(a)]);
      expect(idsOf(b).filter((id) => seen.has(id))).toEqual([]);
    }
  });

  it('keeps references inside the object', () => {
    const { object } = example('ORDER.FILLED', { objectId: ORDER_ID });
    expect(object.id).toBe(ORDER_ID);
    expect(object.executions.map((execution) => execution.order_id)).toEqual([ORDER_ID]);
    expect(object.executions[0]?.id).not.toBe(ORDER_ID);
  });

  it('keeps the pair of ISIN and instrument id', () => {
    expect(example('POSITION.UPDATED').object.instrument).toEqual(catalogueExample('POSITION')?.object['instrument']);
  });

  it.each<[EventType, string | undefined]>([
    ['ORDER.FILLED', 'FILLED'],
    ['USER.CREATED', 'INACTIVE'],
    ['USER.OFFBOARDING_INITIATED', 'OFFBOARDING'],
    ['ACCOUNT.CLOSING_INITIATED', 'CLOSING'],
    ['FEE_COLLECTION.CREATED', 'PROCESSING'],
    ['ACCOUNT_TRANSFER.PARTIALLY_SETTLED', 'PARTIALLY_SETTLED'],
    ['TAX_EXEMPTION.DELETED', undefined],
  ])('of %s has the status %s', (type, status) => {
    expect(field(example(type).object, 'status')).toBe(status);
  });

  it('has a status named by the type wherever the category knows such a status', () => {
    for (const type of eventTypes) {
      const status = field(example(type).object, 'status');
      const siblings = eventTypes.filter((other) => other.split('.')[0] === type.split('.')[0]);
      const actions = siblings.map((other) => other.split('.')[1]);
      const action = type.split('.')[1];
      const own = ['REMINDER', 'DATA_CHANGED', 'CREATED', 'UPDATED'].includes(action ?? '');
      if (typeof status === 'string' && actions.includes(status) && !own) expect(status, type).toBe(action);
    }
  });

  it('of a failed user change carries the user and the reason', () => {
    const { object } = example('USER.DATA_CHANGE_FAILED', { objectId: ORDER_ID });
    expect(object.user_id).toBe(ORDER_ID);
    expect(Object.keys(object).sort()).toEqual(['reason', 'user_id']);
  });

  it('takes objectId as the key of categories whose object has no id', () => {
    expect(example('CASH_BALANCE.UPDATED', { objectId: ORDER_ID }).object.account_group_id).toBe(ORDER_ID);
    expect(example('INSTRUMENT.ACTIVATED', { objectId: 'DE0007664005' }).object.isin).toBe('DE0007664005');
  });

  it('is the same event for the same clock and random numbers', () => {
    const make = () => example('PORTFOLIO_ORDER.FILLED', { now: () => 1.7e12, random: seeded(7) });
    expect(make()).toEqual(make());
  });

  it('does not hand out the catalogue itself', () => {
    const first = catalogueExample('ORDER');
    if (first !== undefined) Reflect.set(first.object, 'status', 'CHANGED');
    expect(catalogueExample('ORDER')?.object['status']).toBe('NEW');
    expect(catalogueExample('ORDERS')).toBeUndefined();
  });
});

// Examples of one object contradicted each other: of NEW and FILLED of an order the second was older every other time, and they
// named two users and two times of creation.
describe('examples about one object', () => {
  const category = (type: string) => type.split('.')[0] ?? '';
  const type = fc.constantFrom(...eventTypes);
  const story = type.chain((first) =>
    fc.array(fc.constantFrom(...eventTypes.filter((other) => category(other) === category(first))), {
      minLength: 2,
      maxLength: 6,
    }),
  );
  const told = (types: readonly EventType[], options: ExampleOptions): UndeliveredEvent<string, object>[] => {
    const events: UndeliveredEvent<string, object>[] = [];
    for (const next of types) events.push(example(next, { ...options, after: events }));
    return events;
  };

  it('with the same objectId refer to the same things, and a later one is not older', () => {
    for (let round = 0; round < 50; round += 1) {
      const [placed, filled] = [1, 2].map((at) =>
        example(at === 1 ? 'ORDER.NEW' : 'ORDER.FILLED', { objectId: ORDER_ID, now: () => 1.7e12 + at }),
      );
      expect(filled?.object).toMatchObject({ user_id: placed?.object.user_id, account_id: placed?.object.account_id });
      expect(compareInstants(placed?.object.updated_at ?? '', filled?.object.updated_at ?? '')).toBeLessThan(0);
    }
    const other = example('ORDER.NEW', { objectId: example('ORDER.NEW').object.id });
    expect(other.object.user_id).not.toBe(example('ORDER.NEW', { objectId: ORDER_ID }).object.user_id);
  });

  it('after each other are valid, grow in time and keep what is fixed, also when the clock stands still', () => {
    fc.assert(
      fc.property(story, fc.integer(), fc.boolean(), (types, seed, stands) => {
        let nowMs = Date.UTC(2026, 5);
        const events = told(types, { now: () => (stands ? nowMs : nowMs++), random: seeded(seed) });
        const last = new Map<string, string>();
        for (const [at, event] of events.entries()) {
          expect(validateEvent(event, { as: 'published' }), event.type).toEqual({ ok: true });
          for (const [name, text] of Object.entries({ ...event.object, event_created_at: event.created_at })) {
            if (typeof text !== 'string') continue;
            const before = last.get(name);
            if (name.endsWith('_id') || name === 'id' || name === 'created_at') expect(text).toBe(before ?? text);
            if ((name === 'updated_at' || name === 'event_created_at') && before !== undefined)
              expect(compareInstants(before, text), `${types.slice(0, at + 1)} ${name}`).toBeLessThan(0);
            last.set(name, text);
          }
          const instants = [field(event.object, 'created_at'), field(event.object, 'updated_at'), event.created_at]
            .filter((text) => typeof text === 'string')
            .filter(isInstant);
          expect([...instants].sort(compareInstants)).toEqual(instants);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('never run ahead of the clock by more than a millisecond', () => {
    const events = told(Array<EventType>(500).fill('ORDER.FILLED'), { now: () => 1.7e12 });
    expect(Date.parse(events.at(-1)?.created_at ?? '')).toBe(1.7e12);
    expect(new Set(events.map(({ object }) => field(object, 'updated_at'))).size).toBe(500);
  });

  it('keep what was set and left out before, and change what their type changes', () => {
    const placed = example('ORDER.NEW', {
      set: { quantity: '12.5', client_reference: 'mine', user_instrument_fit_acknowledgement: undefined },
    });
    const filled = example('ORDER.FILLED', { after: [placed] });
    expect(filled.object).toMatchObject({ quantity: '12.5', client_reference: 'mine', status: 'FILLED' });
    expect('user_instrument_fit_acknowledgement' in filled.object).toBe(false);
    expect(filled.object.executions[0]?.order_id).toBe(placed.object.id);
    const cancelled = example('ORDER.CANCELLED', { after: [placed] });
    expect('cancellation_reason' in example('ORDER.PROCESSING', { after: [placed, cancelled] }).object).toBe(false);
    expect(example('ORDER.FILLED', { after: [placed], set: { quantity: '1' } }).object.quantity).toBe('1');
  });

  it('go on over an event of another shape or of a type that nobody knows', () => {
    const created = example('USER.CREATED');
    const failed = example('USER.DATA_CHANGE_FAILED', { after: [created] });
    expect(failed.object).toEqual({ user_id: created.object.id, reason: 'Address could not be verified' });
    const unheard = { ...failed, type: 'USER.UNHEARD_OF', object: { id: created.object.id } };
    const { object } = example('USER.ACTIVATED', { after: [created, failed, unheard] });
    expect(object).toMatchObject({ id: created.object.id, created_at: created.object.created_at, status: 'ACTIVE' });
    const placed = example('ORDER.NEW');
    expect(example('ORDER_CANCELLATION.REJECTED', { after: [placed] }).object.order_id).toBe(placed.object.id);
  });
});

describe('example with set', () => {
  it('changes, adds and removes fields at any depth', () => {
    const { object } = example('ORDER.FILLED', {
      set: {
        quantity: '12.5',
        'executions.0.price': '99.01',
        expiry_date: '2030-01-31',
        user_instrument_fit_acknowledgement: undefined,
        'executions.1': { ...example('EXECUTION.FILLED').object },
      },
    });
    expect(object).toMatchObject({ quantity: '12.5', expiry_date: '2030-01-31', executions: [{ price: '99.01' }, {}] });
    expect('user_instrument_fit_acknowledgement' in object).toBe(false);
  });

  it('makes the containers of an optional field', () => {
    const { object } = example('USER.CREATED', {
      set: { 'fatca.status': false, 'fatca.confirmed_at': '2026-01-01T00:00:00Z' },
    });
    expect(object.fatca).toEqual({ status: false, confirmed_at: '2026-01-01T00:00:00Z' });
  });

  it.each([
    ['ORDER.NEW', 'quantiy'],
    ['ORDER.NEW', ''],
    ['ORDER.NEW', 'side.x'],
    ['ORDER.NEW', 'executions.1.price'],
    ['ORDER.NEW', 'executions.first'],
    ['ORDER.NEW', 'constructor'],
    ['ORDER.NEW', '__proto__.polluted'],
    ['TOPUP.SETTLED', '__proto__.polluted'],
    ['TOPUP.SETTLED', 'status.deep'],
    ['USER.CREATED', 'address.zip'],
    ['CASH_TRANSACTION.EXECUTED', 'detla.amount'],
  ])('of %s knows no path %j', (type, path) => {
    expect(failure(type, { set: { [path]: 'x' } })).toMatchObject({ code: 'unknown_path', path });
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    ['ORDER.NEW', 'quantity', 10],
    ['ORDER.NEW', 'side', 'HOLD'],
    ['ORDER.NEW', 'id', 'not-a-uuid'],
    ['ORDER.NEW', 'quantity', undefined],
    ['USER.CREATED', 'address.postcode', null],
    ['CASH_TRANSACTION.EXECUTED', 'delta.currency', 'USD'],
  ])('of %s refuses at %s the value %j', (type, path, value) => {
    const error = failure(type, { set: { [path]: value } });
    expect(error).toMatchObject({ code: 'invalid_value', path });
    expect(error.violations.length).toBeGreaterThan(0);
  });

  it('takes any field where no schema is published', () => {
    expect(example('TOPUP.SETTLED', { set: { 'bank.iban': 'DE1' } }).object).toMatchObject({ bank: { iban: 'DE1' } });
  });

  it('refuses an objectId that the schema does not take, and an unknown type', () => {
    expect(failure('ORDER.NEW', { objectId: '1' })).toMatchObject({ code: 'invalid_value', path: 'id' });
    expect(failure('ORDER.SPLIT', {})).toMatchObject({ code: 'unknown_type' });
    expect(failure('../package.X', {})).toMatchObject({ code: 'unknown_type' });
  });
});
