// Type-level tests: checked by `tsc -p tsconfig.test.json`; at run time they only load.
import type {
  EventMap,
  EventOf,
  EventType,
  KnownEvent,
  OrderObject,
  UserDataChangeFailedObject,
  UserObject,
  WebhookEvent,
} from '@bellhop/events';
import { example, isEventType } from '@bellhop/events';
import { expect, expectTypeOf, it } from 'vitest';

declare module '@bellhop/events' {
  interface EventMap {
    'TYPE_TEST.HAPPENED': { readonly voucher: string };
  }
}

it('gives each known type its object', () => {
  expectTypeOf<EventOf<'ORDER.FILLED'>>().toEqualTypeOf<WebhookEvent<'ORDER.FILLED', OrderObject>>();
  expectTypeOf<EventOf<'ORDER.FILLED'>['object']['executions'][number]['price']>().toEqualTypeOf<string>();
  expectTypeOf<EventMap['USER.CREATED']>().toEqualTypeOf<UserObject>();
  expectTypeOf<EventMap['USER.DATA_CHANGE_FAILED']>().toEqualTypeOf<UserDataChangeFailedObject>();
  // @ts-expect-error a typo in a type does not compile
  expectTypeOf<EventOf<'ORDER.FILED'>>();
});

it('narrows a union of events by type', () => {
  const reason = (event: KnownEvent): string => {
    switch (event.type) {
      case 'USER.DATA_CHANGE_FAILED':
        return event.object.reason;
      case 'ORDER.CANCELLED':
        return event.object.cancellation_reason ?? 'none';
      default:
        return 'none';
    }
  };
  expectTypeOf<EventOf<'ORDER.NEW' | 'USER.CREATED'>>().toEqualTypeOf<
    WebhookEvent<'ORDER.NEW', OrderObject> | WebhookEvent<'USER.CREATED', UserObject>
  >();
  const event = { ...example('ORDER.CANCELLED'), webhook_id: '9df39835-be87-4243-9018-f2500b39cee6' };
  expect(reason(event)).toBe('CANCELLED_BY_CLIENT');
});

it('keeps events of unknown types usable', () => {
  const status = (event: WebhookEvent): unknown => event.object['status'];
  const known: EventOf<'ORDER.NEW'> = { ...example('ORDER.NEW'), webhook_id: 'w' };
  // A typed event is an event: this line is the test.
  expect(status(known)).toBe('NEW');
  expectTypeOf<KnownEvent>().toExtend<WebhookEvent>();
  expectTypeOf<WebhookEvent['object']>().toEqualTypeOf<Record<string, unknown>>();
});

it('leaves enums open, so that a new value is legal input', () => {
  expectTypeOf<'SHORT_SELL'>().toExtend<OrderObject['side']>();
  expectTypeOf<'BUY'>().toExtend<OrderObject['side']>();
  expectTypeOf<number>().not.toExtend<OrderObject['side']>();
});

it('takes types that a user adds', () => {
  expectTypeOf<EventOf<'TYPE_TEST.HAPPENED'>['object']['voucher']>().toEqualTypeOf<string>();
  expectTypeOf<'TYPE_TEST.HAPPENED'>().not.toExtend<EventType>();
});

it('types an example by its type, and a type read from outside after a check', () => {
  const type: string = 'ORDER.NEW';
  expectTypeOf(example('ORDER.NEW').object).toEqualTypeOf<OrderObject>();
  expectTypeOf(example(type).object).toEqualTypeOf<Record<string, unknown>>();
  if (isEventType(type)) expectTypeOf(type).toEqualTypeOf<EventType>();
  expect(isEventType(type)).toBe(true);
});
