// Publishing through the operator API, one call for one list of events.

import type { UndeliveredEvent } from '@bellhop/events';
import type { Operator } from './operator.ts';

/** An event as the operator API takes it: the service fills in what is missing. */
export type PublishedEvent = Partial<UndeliveredEvent> & Pick<UndeliveredEvent, 'type' | 'object'>;

export async function publish(
  operator: Operator,
  clientId: string,
  events: readonly PublishedEvent[],
  options: { readonly validate?: boolean } = {},
): Promise<{ readonly accepted: number; readonly duplicates: number }> {
  const answer = await operator.call('POST', '/operator/events', {
    body: { client_id: clientId, events },
    query: { validate: options.validate ? 'true' : undefined },
  });
  return { accepted: Number(answer['accepted']), duplicates: Number(answer['duplicates']) };
}

/** What the event is about, for people. */
export function shownId({ object }: Pick<UndeliveredEvent, 'object'>): string {
  const id = object['id'] ?? Object.entries(object).find(([name]) => name.endsWith('_id'))?.[1];
  return typeof id === 'string' ? id : '-';
}
