import { describe, expect, it } from 'vitest';
import {
  categoryOf,
  eventTypes,
  isCategory,
  isEventType,
  isSubscribable,
  isWellFormedType,
  matches,
  type Subscription,
} from './index.ts';

const table: readonly (readonly [Subscription, string, boolean])[] = [
  [{ type: ['ALL'] }, 'ORDER.NEW', true],
  [{ type: ['ALL'] }, 'NOBODY_KNOWS.THIS', true],
  [{ type: ['ALL'], exclude_type: ['ORDER'] }, 'ORDER.NEW', false],
  [{ type: ['ALL'], exclude_type: ['ORDER'] }, 'ORDER_CANCELLATION.REJECTED', true],
  [{ type: ['ALL'], exclude_type: [] }, 'ORDER.NEW', true],
  [{ type: ['ALL'], exclude_type: undefined }, 'ORDER.NEW', true],
  [{ type: ['USER', 'ALL'] }, 'ORDER.NEW', true],
  [{ type: ['USER', 'ALL'], exclude_type: ['USER'] }, 'USER.CREATED', false],
  [{ type: ['ORDER'] }, 'ORDER.NEW', true],
  [{ type: ['ORDER'] }, 'ORDER_CANCELLATION.REJECTED', false],
  [{ type: ['ORDER_CANCELLATION'] }, 'ORDER.NEW', false],
  [{ type: ['ORDER'], exclude_type: ['ORDER'] }, 'ORDER.NEW', true],
  [{ type: ['ORDER', 'USER'] }, 'USER.CREATED', true],
  [{ type: ['ORDER', 'USER'] }, 'USER_CHECK.PASSED', false],
  [{ type: ['ORDER.NEW'] }, 'ORDER.NEW', false],
  [{ type: [] }, 'ORDER.NEW', false],
];

describe('matches', () => {
  it.each(table)('%j and %s: %s', (subscription, type, expected) => {
    expect(matches(subscription, type)).toBe(expected);
  });

  it('finds each known type by its category and by no other', () => {
    for (const type of eventTypes) {
      const receiving = eventTypes.filter((other) => matches({ type: [categoryOf(other)] }, type)).map(categoryOf);
      expect(new Set(receiving), type).toEqual(new Set([categoryOf(type)]));
    }
  });
});

describe('names', () => {
  it('categoryOf takes what is before the first dot', () => {
    expect(['ORDER.NEW', 'A.B.C', 'NODOT', '.X', ''].map(categoryOf)).toEqual(['ORDER', 'A', 'NODOT', '', '']);
  });

  it('every known type is well formed, known, and of a known category', () => {
    for (const type of eventTypes) {
      expect([isWellFormedType(type), isEventType(type), isCategory(categoryOf(type))]).toEqual([true, true, true]);
    }
  });

  it.each(['', 'ORDER', 'ORDER.', '.NEW', 'order.new', 'ORDER.NEW.X', ' ORDER.NEW', 'ORDER.NEW\n', '_A.B'])(
    '%j is no well-formed type',
    (type) => {
      expect(isWellFormedType(type)).toBe(false);
    },
  );

  it('does not take a property of Object for a name', () => {
    expect([isCategory('constructor'), isEventType('toString'), isSubscribable('__proto__')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('a webhook may list ALL, PORTFOLIO and CORPORATE_ACTION; only the last is a category with events', () => {
    expect(['ALL', 'PORTFOLIO', 'CORPORATE_ACTION'].map(isSubscribable)).toEqual([true, true, true]);
    expect(['ALL', 'PORTFOLIO', 'CORPORATE_ACTION'].map(isCategory)).toEqual([false, false, true]);
    expect(isSubscribable('ORDERS')).toBe(false);
  });
});
