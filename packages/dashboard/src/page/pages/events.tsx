// Events: where is event X, who has it? The search is in the URL.

import { Link, useLocation, useSearchParams } from 'wouter-preact';
import { query, useApi } from '../api.ts';
import type { EventDetail, EventPage } from '../api-types.ts';
import { bytes, count, hostOf, shortId, span } from '../format.ts';
import { AttemptTable } from '../ui/attempt-table.tsx';
import { Pager, usePaging } from '../ui/pager.tsx';
import { Code, Copy, Fact, Problem, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { Replay } from '../ui/webhook-actions.tsx';
import { isView } from '../view.ts';

const allFields = ['id', 'type', 'object_id', 'client_id', 'since', 'until'] as const;
const fields = isView ? allFields.filter((name) => name !== 'client_id') : allFields;
const labels = {
  id: 'Event id',
  type: 'Type or category',
  object_id: isView ? 'Object id' : 'Object id, with a tenant id',
  client_id: 'Tenant id',
  since: 'Since',
  until: 'Until',
};

export function EventsPage() {
  const [search] = useSearchParams();
  const [, navigate] = useLocation();
  const paging = usePaging();
  const given = Object.fromEntries(fields.map((name) => [name, search.get(name) ?? '']));
  const isAsked = Object.values(given).some((value) => value !== '');
  const { data, error } = useApi<EventPage>(
    `/operator/events${query({ ...given, since: instant(given['since']), until: instant(given['until']), cursor: paging.cursor, limit: String(pageRows) })}`,
    paging.cursor === undefined && given['id'] === '' ? 3_000 : undefined,
  );
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const form = new FormData(event.currentTarget);
    navigate(`/events${query(Object.fromEntries(fields.map((name) => [name, String(form.get(name) ?? '').trim()])))}`);
  };
  return (
    <>
      <h1>Events</h1>
      <search>
        <form class="search" onSubmit={submit} key={search.toString()}>
          {fields.map((name, index) => (
            <label key={name}>
              {labels[name]}
              <input
                name={name}
                type={name === 'since' || name === 'until' ? 'datetime-local' : 'text'}
                defaultValue={given[name]}
                spellcheck={false}
                autocomplete="off"
                placeholder={name === 'type' ? 'ORDER.FILLED' : ''}
                {...(index === 0 ? { 'data-search': true } : {})}
              />
            </label>
          ))}
          <div class="buttons">
            <button type="submit" class="main">
              Search
            </button>
            {isAsked ? <Link href="/events">Clear</Link> : null}
          </div>
        </form>
      </search>
      <Problem error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Skeleton rows={6} />
        ) : null
      ) : data.data.length === 0 ? (
        <p class="empty">
          {data.searched_back_to !== null
            ? 'None so far. '
            : isAsked
              ? 'No event in the log fits. It may be older than the log keeps. '
              : 'The log is empty. '}
          {isView || data.searched_back_to !== null ? null : <Link href="/try">Publish one</Link>}
        </p>
      ) : (
        <Table
          label="Events"
          head={
            isView ? ['Event', 'Type', 'Accepted', 'Size'] : ['Event', 'Type', 'Accepted', 'Tenant', 'Size', 'Offset']
          }
        >
          {data.data.map((event) => (
            <tr key={`${event.client_id}/${event.id}`}>
              <td>
                <Link href={`/events/${event.id}${isView ? '' : `?client_id=${event.client_id}`}`} data-row>
                  {shortId(event.id)}
                </Link>
              </td>
              <td>{event.type}</td>
              <td>
                <Time at={event.appended_at} />
              </td>
              {isView ? null : (
                <td>
                  <Link href={`/tenants/${event.client_id}`}>{shortId(event.client_id)}</Link>
                </td>
              )}
              <td class="number">{bytes(event.bytes)}</td>
              {event.offset === undefined ? null : <td class="number">{count(event.offset)}</td>}
            </tr>
          ))}
        </Table>
      )}
      {data?.searched_back_to && data.data.length < pageRows ? (
        <p role="status">
          Searched back to <Time at={data.searched_back_to} plain />, {count(data.data.length)} found on this page.
          Older events are on the next one.
        </p>
      ) : null}
      <Pager paging={paging} next={data?.next_cursor} />
    </>
  );
}

const pageRows = 50;

export function OneEventPage({ id }: { readonly id: string }) {
  const [search] = useSearchParams();
  const { data: event, error } = useApi<EventDetail>(
    `/operator/events/${id}${query({ client_id: search.get('client_id') ?? '' })}`,
    2_000,
  );
  if (!event) return error === undefined ? <Skeleton rows={8} /> : <Problem error={error} />;
  const json = JSON.stringify(
    { id: event.id, created_at: event.created_at, type: event.type, object: event.object },
    undefined,
    2,
  );
  const matching = event.webhooks.filter(({ state }) => state !== 'not matching');
  const others = event.webhooks.filter(({ state }) => state === 'not matching');
  const delivered = matching.filter(({ state }) => state === 'delivered').length;
  return (
    <>
      <p class="crumbs">
        <Link href="/events">Events</Link> /
      </p>
      <h1>{event.type}</h1>
      <p class="line">
        Accepted <Time at={event.appended_at} />;{' '}
        {matching.length === 0
          ? 'no webhook of its tenant wants it.'
          : `${delivered} of ${matching.length} webhooks have it.`}
      </p>
      <section aria-labelledby="ways">
        <h2 id="ways">Its way to each webhook</h2>
        {event.webhooks.length === 0 ? <p class="empty">Its tenant has no webhook.</p> : null}
        {matching.map((way) => (
          <article key={way.webhook_id} class="way">
            <h3>
              <Link href={`/webhooks/${way.webhook_id}`}>{way.title}</Link> <span class="muted">{hostOf(way.url)}</span>
            </h3>
            <p>
              <State word={way.state} />{' '}
              {way.delivered_at === null ? null : (
                <>
                  <Time at={way.delivered_at} />, {span(Date.parse(way.delivered_at) - Date.parse(event.appended_at))}{' '}
                  after it was accepted
                </>
              )}
              {way.next_attempt_at === null ? null : (
                <>
                  next try <Time at={way.next_attempt_at} />
                </>
              )}
              {way.state === 'waiting'
                ? way.enabled
                  ? 'behind what was published before it, or for its package to fill'
                  : 'the webhook is disabled'
                : null}
              {way.state === 'before start' ? 'published before the webhook was first enabled' : null}
            </p>
            {isView ? null : (
              <div class="buttons">
                <Replay webhook={{ id: way.webhook_id, title: way.title, url: way.url }} eventId={event.id} />
              </div>
            )}
            {way.attempts.length === 0 ? null : <AttemptTable attempts={way.attempts.slice(0, 10)} />}
          </article>
        ))}
        {others.length === 0 ? null : (
          <p class="muted">
            Not wanted by:{' '}
            {others.map((way, index) => (
              <span key={way.webhook_id}>
                {index > 0 ? ', ' : ''}
                <Link href={`/webhooks/${way.webhook_id}`}>{way.title}</Link>
              </span>
            ))}{' '}
            (their types do not list {event.type.split('.')[0]}).
          </p>
        )}
      </section>
      <section aria-labelledby="json">
        <header>
          <h2 id="json">The event</h2>
          <Copy text={json} what="JSON" />
        </header>
        <Code label="The event as JSON" text={json} />
        <dl class="facts">
          {isView ? null : (
            <Fact name="tenant">
              <Link href={`/tenants/${event.client_id}`}>{event.client_id}</Link>
            </Fact>
          )}
          {event.offset === undefined ? null : (
            <Fact name="place">
              offset {count(event.offset)} of partition {event.partition}
            </Fact>
          )}
          <Fact name="created">
            <Time at={event.created_at} plain />
          </Fact>
          <Fact name="id">
            <code>{event.id}</code> <Copy text={event.id} what="id" />
          </Fact>
        </dl>
      </section>
    </>
  );
}

function instant(local: string | undefined): string | undefined {
  if (local === undefined || local === '') return undefined;
  const time = new Date(local);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
