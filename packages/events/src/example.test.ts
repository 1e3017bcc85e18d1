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
