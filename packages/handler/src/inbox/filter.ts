// Whether an event is one of those that a filter means; the SQL inboxes say the same in SQL.
import type { InboxEvent, InboxFilter } from './inbox.ts';

export function matches({ event, key, receivedAt }: InboxEvent, filter: InboxFilter): boolean {
  const { ids, type, since, until } = filter;
  if (ids !== undefined && !ids.includes(event.id)) return false;
  if (type !== undefined && !(type.endsWith('.*') ? event.type.startsWith(type.slice(0, -1)) : event.type === type)) {
    return false;
  }
  if (filter.key !== undefined && filter.key !== key) return false;
  if (since !== undefined && receivedAt < since) return false;
  return until === undefined || receivedAt < until;
}
