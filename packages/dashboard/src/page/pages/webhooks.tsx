// Webhooks: which subscriptions exist, in what state? Search, filter and page are in the URL.

import { Link, useSearchParams } from 'wouter-preact';
import { query, useApi } from '../api.ts';
import type { Activity, Page, Webhook } from '../api-types.ts';
import { count, hostOf, shortId, span } from '../format.ts';
import { overview } from '../live.ts';
import { says } from '../reasons.ts';
import { BulkActions } from '../ui/bulk-actions.tsx';
import { Chips } from '../ui/chips.tsx';
import { Pager, usePaging } from '../ui/pager.tsx';
import { Problem, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { Sparkline } from '../ui/sparkline.tsx';
import { isView } from '../view.ts';

const filters = {
  '': { label: 'all' },
  retrying: { label: 'retrying', blocked: 'true', enabled: 'true' },
  behind: { label: 'waiting or catching up', behind: 'true' },
  disabled: { label: 'disabled', enabled: 'false' },
} as const;

const columns = ['Webhook', 'State', 'Behind', 'Last outcome', 'Last 24 h', 'Categories'];

export function WebhooksPage() {
  const [search, setSearch] = useSearchParams();
  const paging = usePaging();
  const state = search.get('state') ?? '';
  const { label: _, ...filter } = filters[isFilter(state) ? state : ''];
  const text = search.get('search') ?? '';
  const clientId = search.get('client_id') ?? '';
  const { data, error } = useApi<Page<Webhook>>(
    `/operator/webhooks${query({ limit: '50', ...filter, search: text, client_id: clientId, cursor: paging.cursor })}`,
    3_000,
  );
  const ids = data?.data.map(({ id }) => id).join(',') ?? '';
  const activity = useApi<Activity>(ids === '' ? undefined : `/operator/webhooks/activity?webhook_ids=${ids}`, 60_000);
  const hoursOf = (id: string): string | undefined =>
    activity.data?.data.find(({ webhook_id: found }) => found === id)?.hours;
  const counts = overview.value?.webhooks;
  const set = (fields: Readonly<Record<string, string>>): void =>
    setSearch(query({ search: text, state, client_id: clientId, ...fields }));
  const countOf = (name: string): string => {
    if (!counts || clientId !== '' || text !== '') return '';
    const number = { '': counts.total, retrying: counts.retrying, behind: counts.behind, disabled: counts.disabled }[
      name
    ];
    return number === undefined ? '' : ` ${count(number)}`;
  };
  return (
    <>
      <h1>Webhooks</h1>
      <div class="toolbar">
        <input
          type="search"
          aria-label="Search title and URL"
          placeholder="Search title and URL"
          data-search
          value={text}
          onInput={(event) => set({ search: event.currentTarget.value })}
        />
        <Chips
          label="State"
          choices={Object.entries(filters).map(([value, { label }]) => [value, `${label}${countOf(value)}`])}
          chosen={state}
          choose={(value) => set({ state: value })}
        />
        {clientId === '' ? null : (
          <button type="button" class="chip" aria-pressed="true" onClick={() => set({ client_id: '' })}>
            tenant {shortId(clientId)} ✕
          </button>
        )}
      </div>
      <Problem error={error} />
      {isView || data === undefined || data.data.length === 0 ? null : (
        <BulkActions
          key={search.toString()}
          filter={{
            ...Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, value === 'true'])),
            ...(text === '' ? {} : { search: text }),
            ...(clientId === '' ? {} : { client_id: clientId }),
          }}
        />
      )}
      {data === undefined ? (
        error === undefined ? (
          <Skeleton rows={6} />
        ) : null
      ) : data.data.length === 0 ? (
        <p class="empty">
          {text !== '' || state !== '' || clientId !== ''
            ? 'No webhook fits. '
            : 'No webhook yet: tenants register them with POST /webhooks. '}
          {text !== '' || state !== '' || clientId !== '' ? (
            <Link href="/webhooks">Show all</Link>
          ) : isView ? null : (
            <Link href="/tenants">See the tenants</Link>
          )}
        </p>
      ) : (
        <Table label="Webhooks" head={isView ? columns : [...columns, 'Tenant']}>
          {data.data.map((webhook) => (
            <tr key={webhook.id}>
              <td>
                <Link href={`/webhooks/${webhook.id}`} data-row>
                  {webhook.title}
                </Link>
                <div class="muted">{hostOf(webhook.url)}</div>
              </td>
              <td>
                <State word={webhook.state} />
                {webhook.next_attempt_at === null || webhook.state !== 'retrying' ? null : (
                  <div class="muted">
                    next try <Time at={webhook.next_attempt_at} />
                  </div>
                )}
                {webhook.muted_until ? (
                  <div class="muted">
                    muted, ends <Time at={webhook.muted_until} />
                  </div>
                ) : null}
              </td>
              <td class="number">
                {webhook.lag.at_least ? '> ' : ''}
                {count(webhook.lag.events)}
                {webhook.lag.events > 0 ? <div class="muted">{span(webhook.lag.seconds * 1_000)}</div> : null}
              </td>
              <td>
                {webhook.last_outcome === null ? (
                  <span class="muted">no attempt yet</span>
                ) : (
                  <>
                    <Link href={`/attempts/${webhook.last_outcome.attempt_id}`}>
                      {webhook.last_outcome.ok
                        ? `${webhook.last_outcome.status}`
                        : says(webhook.last_outcome.reason, webhook.last_outcome.status)}
                    </Link>
                    <div class="muted">
                      <Time at={webhook.last_outcome.at} />
                    </div>
                  </>
                )}
              </td>
              <td>
                <Sparkline hours={hoursOf(webhook.id)} />
              </td>
              <td class="types">{typesOf(webhook)}</td>
              {isView ? null : (
                <td>
                  <Link href={`/tenants/${webhook.client_id}`}>{shortId(webhook.client_id)}</Link>
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      <Pager paging={paging} next={data?.next_cursor} />
    </>
  );
}

export function typesOf({ type, exclude_type: excluded = [] }: Pick<Webhook, 'type' | 'exclude_type'>): string {
  return excluded.length > 0 ? `${type.join(', ')} except ${excluded.join(', ')}` : type.join(', ');
}

function isFilter(text: string): text is keyof typeof filters {
  return text in filters;
}
