import { describe, expectTypeOf, it } from 'vitest';
import type { Client, NewWebhook, UpvestError, Webhook } from './index.ts';
import { ApiError } from './index.ts';

describe('the types of the client', () => {
  it('keep the names of the wire and refuse what the API refuses', () => {
    expectTypeOf<Client['webhooks']['create']>().returns.resolves.toEqualTypeOf<Webhook>();
    expectTypeOf<Webhook['config']['max_package_size']>().toEqualTypeOf<number | undefined>();
    expectTypeOf<{ title: string; url: string }>().toExtend<NewWebhook>();
    // @ts-expect-error a webhook is always created disabled: `enabled` is not a field of create
    const wrong: NewWebhook = { title: 'a', url: 'b', enabled: true };
    expectTypeOf(wrong).toEqualTypeOf<NewWebhook>();
  });

  it('narrow an error by its class', () => {
    const facts = (error: UpvestError): void => {
      if (error instanceof ApiError) {
        expectTypeOf(error.slug).toEqualTypeOf<string>();
        expectTypeOf(error.code).toEqualTypeOf<'api_error'>();
      }
      // @ts-expect-error only an ApiError has a slug
      expectTypeOf(error.slug).toEqualTypeOf<string>();
    };
    expectTypeOf(facts).toBeFunction();
  });
});
