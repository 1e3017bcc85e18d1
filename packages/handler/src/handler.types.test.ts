import type { EventOf, OrderObject, UserDataChangeFailedObject, UserObject, WebhookEvent } from '@bellhop/events';
import { describe, expectTypeOf, it } from 'vitest';
import type { Handler, HandlerOptions, Inbox, Pattern } from './index.ts';
import { createHandler, memoryInbox, toFetch, toNode } from './index.ts';

declare module '@bellhop/events' {
  interface EventMap {
    'LOYALTY.POINTS_ADDED': { points: number };
  }
}

const keys = { find: async () => undefined };
const handler: Handler<undefined> = createHandler({ keys });

describe('the types of listeners', () => {
  it('give the object of the type, field by field', () => {
    handler.on('ORDER.FILLED', (event, context) => {
      expectTypeOf(event).toEqualTypeOf<EventOf<'ORDER.FILLED'>>();
      expectTypeOf(event.object).toEqualTypeOf<OrderObject>();
      expectTypeOf(event.type).toEqualTypeOf<'ORDER.FILLED'>();
      expectTypeOf(context.tx).toEqualTypeOf<undefined>();
      // @ts-expect-error no such field
      expectTypeOf(event.object.no_such_field).toBeString();
    });
  });

  it('give the union of a category or a list, to be narrowed by type', () => {
    handler.on('USER.*', (event) => {
      if (event.type === 'USER.DATA_CHANGE_FAILED')
        expectTypeOf(event.object).toEqualTypeOf<UserDataChangeFailedObject>();
      if (event.type === 'USER.CREATED') expectTypeOf(event.object).toEqualTypeOf<UserObject>();
      // @ts-expect-error not a type of this category
      expectTypeOf(event.type === 'ORDER.FILLED').toBeBoolean();
    });
    handler.on(['ORDER.NEW', 'POSITION.UPDATED'], ({ type }) => {
      expectTypeOf(type).toEqualTypeOf<'ORDER.NEW' | 'POSITION.UPDATED'>();
    });
    handler.on('ORDER.CANCELLED', { order: ({ object }) => object.user_id }, async ({ object }) => {
      expectTypeOf(object).toEqualTypeOf<OrderObject>();
    });
  });

  it('take an order by name or by a function of the typed event', () => {
    handler.on('ORDER.PROCESSING', { order: 'user' }, () => undefined);
    const wrong = (h: Handler<undefined>): void => {
      // @ts-expect-error no such order
      h.on('ORDER.NEW', { order: 'account' }, () => undefined);
      // @ts-expect-error no such field
      h.on('ORDER.NEW', { order: ({ object }) => object.uesr_id }, () => undefined);
      // @ts-expect-error a key is a text or null
      createHandler({ keys, order: () => undefined });
    };
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf<HandlerOptions['order']>().toEqualTypeOf<
      'object' | 'webhook' | 'user' | 'none' | ((event: WebhookEvent) => string | null) | undefined
    >();
  });

  it('refuse what is no type, no category and no pattern', () => {
    const wrong = (h: Handler<undefined>): void => {
      // @ts-expect-error a typo does not compile
      h.on('ORDER.FILED', () => undefined);
      // @ts-expect-error nor does one in a category
      h.on('ODER.*', () => undefined);
      // @ts-expect-error nor one in a list
      h.on(['ORDER.FILLED', 'ORDER.FILED'], () => undefined);
      // @ts-expect-error nor a type of another event
      h.on('ORDER.FILLED', (event: EventOf<'USER.CREATED'>) => event);
    };
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf<'VOUCHER.ISSUED'>().not.toExtend<Pattern>();
  });

  it('take types of the user by declaration merging, and their category', () => {
    handler.on('LOYALTY.POINTS_ADDED', ({ object }) => {
      expectTypeOf(object.points).toBeNumber();
    });
    handler.on('LOYALTY.*', ({ object }) => {
      expectTypeOf(object).toEqualTypeOf<{ points: number }>();
    });
  });

  it('promise nothing about events that nobody may have heard of', () => {
    handler.on('*', (event) => {
      expectTypeOf(event).toEqualTypeOf<WebhookEvent>();
      expectTypeOf(event.object).toEqualTypeOf<Record<string, unknown>>();
    });
    handler.fallback((event, { why }) => {
      expectTypeOf(event.type).toEqualTypeOf<string>();
      expectTypeOf(why).toEqualTypeOf<'unheard' | 'unhandled'>();
    });
  });

  it('carry the transaction of the inbox to the listener', () => {
    interface Tx {
      query(text: string): Promise<void>;
    }
    const check = (inbox: Inbox<Tx>): void => {
      const own = createHandler({ keys, inbox });
      expectTypeOf(own).toEqualTypeOf<Handler<Tx>>();
      own.on('ORDER.FILLED', async (_event, { tx }) => tx.query('select 1'));
      expectTypeOf(toNode(own)).toBeFunction();
      expectTypeOf(toFetch(own)).toEqualTypeOf<(request: Request) => Promise<Response>>();
    };
    expectTypeOf(check).toBeFunction();
    expectTypeOf(createHandler({ keys, inbox: memoryInbox() })).toEqualTypeOf<Handler<undefined>>();
  });
});
