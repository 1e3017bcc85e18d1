// Publishing through the operator API, one call for one list of events: all of them or none.

import type { UndeliveredEvent } from '@bellhop/events';
import type { Operator } from './operator.ts';

export interface Published {
  readonly accepted: number;
  readonly duplicates: number;
}

export function publish(operator: Operator, clientId: string, events: readonly UndeliveredEvent[]): Promise<Published> {
  return publishTexts(
    operator,
    clientId,
    events.map((event) => JSON.stringify(event)),
  );
}

/** Events as JSON: they are sent as they are, and the service fills in what is missing. */
export async function publishTexts(
  operator: Operator,
  clientId: string,
  events: readonly string[],
  options: { readonly validate?: boolean } = {},
): Promise<Published> {
  const answer = await operator.call('POST', '/operator/events', {
    text: publishBody(clientId, events),
    query: { validate: options.validate ? 'true' : undefined },
  });
  return { accepted: Number(answer['accepted']), duplicates: Number(answer['duplicates']) };
}

export function publishBody(clientId: string, events: readonly string[]): string {
  return `{"client_id":${JSON.stringify(clientId)},"events":[${events.join(',')}]}`;
}

/** What the event is about, for people. */
export function shownId({ object }: Pick<UndeliveredEvent, 'object'>): string {
  const id = object['id'] ?? Object.entries(object).find(([name]) => name.endsWith('_id'))?.[1];
  return typeof id === 'string' ? id : '-';
}
