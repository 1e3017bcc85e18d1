import { describe, expect, it } from 'vitest';
import { catalogueExample, example } from './index.ts';
import { objectSchema } from './schemas.ts';
import { type Validation, validateEvent, validateObject } from './validate.ts';

const WEBHOOK_ID = '9df39835-be87-4243-9018-f2500b39cee6';
const paths = (result: Validation) => (result.ok ? [] : result.errors.map(({ path, message }) => `${path} ${message}`));
const order = (fields: object) => ({ ...catalogueExample('ORDER')?.object, ...fields });

describe('validateEvent', () => {
  it('wants the five fields of a delivered event and no others', () => {
    expect(paths(validateEvent({}))).toEqual([
      '/id is missing',
      '/created_at is missing',
      '/type is missing',
      '/object is missing',
      '/webhook_id is missing',
    ]);
    expect(paths(validateEvent({ ...catalogueExample('ORDER'), extra: 1 }))).toEqual(['/extra is not a known field']);
  });

  it.each([null, 'text', 1, [], undefined])('refuses %j as an event', (event) => {
    expect(validateEvent(event).ok).toBe(false);
  });

  it('lets a published event leave out id and created_at, and refuses webhook_id there', () => {
    const { id, created_at, type, object } = example('ORDER.FILLED');
    expect(validateEvent({ type, object }, { as: 'published' })).toEqual({ ok: true });
    expect(validateEvent({ id, created_at, type, object }, { as: 'published' })).toEqual({ ok: true });
    expect(validateEvent({ id, created_at, type, object }).ok).toBe(false);
    const delivered = { id, created_at, type, object, webhook_id: WEBHOOK_ID };
    expect(validateEvent(delivered)).toEqual({ ok: true });
    expect(paths(validateEvent(delivered, { as: 'published' }))).toEqual(['/webhook_id is not a known field']);
  });

  it.each([
    ['id', '8962b496-8d42-4560-bfab'],
    ['id', 'urn:uuid:8962b496-8d42-4560-bfab-10490dd1a721'],
    ['created_at', '2021-02-30T00:00:00Z'],
    ['created_at', '2021-02-03'],
    ['type', 'order.new'],
    ['type', 7],
    ['object', []],
    ['object', null],
    ['webhook_id', ''],
  ])('refuses the %s %j', (field, value) => {
    const result = validateEvent({ ...catalogueExample('ORDER'), [field]: value });
    expect(paths(result)[0]).toMatch(new RegExp(`^/${field} `));
  });

  it('checks the object of a known type, with paths from the event', () => {
    const event = { ...catalogueExample('ORDER'), object: order({ side: 'HOLD', quantiy: '1' }) };
    expect(paths(validateEvent(event)).sort()).toEqual([
      '/object/quantiy is not a known field',
      '/object/side must be one of BUY, SELL',
    ]);
  });

  it('takes any object for a type it does not know, in a known category too', () => {
    for (const type of ['ORDER.SPLIT', 'NOBODY_KNOWS.THIS']) {
      expect(validateEvent({ ...catalogueExample('ORDER'), type, object: { any: ['thing'] } })).toEqual({ ok: true });
    }
  });
});

describe('validateObject', () => {
  it('tells of a union only what the closest variant misses', () => {
    const { first_name: _, ...user } = catalogueExample('USER')?.object ?? {};
    expect(paths(validateObject('USER.CREATED', user))).toEqual(['/first_name is missing']);
    const check = { ...catalogueExample('USER_CHECK')?.object, method: 'GUESS' };
    expect(paths(validateObject('USER_CHECK.PASSED', check))).toEqual([
      '/method must be one of VIDEO_ID, IN_PERSON_ID, ELECTRONIC_ID',
    ]);
  });

  it('wants an object where no schema is published', () => {
    expect(objectSchema('TOPUP')).toEqual({ type: 'object' });
    expect(validateObject('TOPUP.SETTLED', { id: 1 })).toEqual({ ok: true });
    expect(paths(validateObject('TOPUP.SETTLED', 'x'))).toEqual([' must be object']);
  });

  it('lists at most twenty violations', () => {
    const noise = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field_${index}`, index]));
    expect(paths(validateObject('ORDER.NEW', order(noise)))).toHaveLength(20);
  });
});

describe('objectSchema', () => {
  it('knows no schema for a name from outside', () => {
    expect(['ORDERS', '../package', 'envelope', 'constructor', ''].map(objectSchema)).toEqual(Array(5).fill(undefined));
  });

  it('hands out frozen schemas', () => {
    const schema = objectSchema('ORDER');
    expect(Object.isFrozen(schema) && Object.isFrozen(schema?.['properties'])).toBe(true);
  });
});
