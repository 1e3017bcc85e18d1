// Now: is anything stuck, and who waits?

import { Link, useSearchParams } from 'wouter-preact';
import { useApi } from '../api.ts';
import type { BlockedWebhook, Overview, Rollups } from '../api-types.ts';
import { count, counted, hostOf, rate, span } from '../format.ts';
import { now, overview } from '../live.ts';
import { says } from '../reasons.ts';
import { FlowChart } from '../ui/chart.tsx';
import { Chips } from '../ui/chips.tsx';
import { Problem, Since, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { Mute, RetryNow } from '../ui/webhook-actions.tsx';

const ranges = { '15m': '15 min', '1h': '1 h', '24h': '24 h' } as const;

export function NowPage() {
  const [search, setSearch] = useSearchParams();
  const range = search.get('range') ?? '1h';
  const rollups = useApi<Rollups>(`/operator/rollups?range=${range}`, 5_000);
  const day = useApi<Rollups>('/operator/rollups?range=24h', 30_000);
  const live = overview.value;
  return (
    <>
      <h1>{live ? sentence(live) : 'Looking…'}</h1>
      {live ? <Numbers live={live} p99={rollups.data?.total.wire_p99_ms} /> : <Skeleton rows={1} />}
      {live && live.blocked.length > 0 ? <Blocked rows={live.blocked} /> : null}
      {live && live.webhooks.total === 0 ? (
        <p class="empty">
          No webhook yet. <Link href="/tenants">Create a tenant</Link>, let it register one, then{' '}
          <Link href="/try">publish an event</Link>.
        </p>
      ) : null}
      <section aria-labelledby="flow">
        <header>
          <h2 id="flow">Events in, deliveries out</h2>
          <Chips
            label="Time shown"
            choices={Object.entries(ranges)}
            chosen={range}
            choose={(value) => setSearch({ range: value })}
          />
        </header>
        <Problem error={rollups.error} />
        {rollups.data ? <FlowChart key={range} rollups={rollups.data} /> : <Skeleton />}
        {day.data ? (
          <p class="proof">
            Last 24 h: <b>{count(day.data.total.published)}</b> accepted, <b>{count(day.data.total.delivered)}</b>{' '}
            delivered in {counted(day.data.total.packages, 'package')}, <b>{count(day.data.total.skipped)}</b> skipped.
          </p>
        ) : null}
      </section>
    </>
  );
}

/** The answer to the page's question, in one sentence. */
function sentence({ webhooks, oldest_at: oldest, unowned_partitions: unowned }: Overview): string {
  const waited = oldest === null ? '' : `; the oldest event has waited ${span(now.value - Date.parse(oldest))}`;
  if (webhooks.retrying > 0) {
    const are = webhooks.retrying === 1 ? 'is' : 'are';
    const seen = webhooks.muted === 0 ? '' : `, ${count(webhooks.muted)} of them muted`;
    return `${count(webhooks.retrying)} of ${counted(webhooks.total, 'webhook')} ${are} blocked${seen}${waited}.`;
  }
  if (unowned > 0) return `${counted(unowned, 'partition')} without a worker: nothing of theirs is delivered${waited}.`;
  if (webhooks.total === 0) return 'Nothing to deliver yet.';
  const off = webhooks.disabled > 0 ? `, ${count(webhooks.disabled)} disabled` : '';
  if (webhooks.behind > 0) return `Nothing is stuck: ${counted(webhooks.behind, 'webhook')} on the way${waited}.`;
  return `Everything flows: ${counted(webhooks.flowing, 'webhook')}${off}, nothing waits.`;
}

function Numbers({ live, p99 }: { readonly live: Overview; readonly p99: number | null | undefined }) {
  const { webhooks, rates } = live;
  return (
    <dl class="numbers">
      <div>
        <dt>accepted</dt>
        <dd>{rate(rates.published)}/s</dd>
      </div>
      <div>
        <dt>delivered</dt>
        <dd>{rate(rates.delivered)}/s</dd>
      </div>
      <div>
        <dt>attempts failing</dt>
        <dd>{rate(rates.failed_attempts)}/s</dd>
      </div>
      <div>
        <dt>due to wire, p99</dt>
        <dd>{p99 === undefined || p99 === null ? '–' : `≤ ${p99} ms`}</dd>
      </div>
      <div>
        <dt>oldest undelivered</dt>
        <dd>{live.oldest_at === null ? 'none' : <Since at={live.oldest_at} />}</dd>
      </div>
      <div>
        <dt>webhooks</dt>
        <dd class="small">
          <Link href="/webhooks?state=retrying">
            <State word="retrying" /> {count(webhooks.retrying)}
          </Link>{' '}
          <Link href="/webhooks">
            <State word="flowing" /> {count(webhooks.flowing + webhooks.behind)}
          </Link>{' '}
          <Link href="/webhooks?state=disabled">
            <State word="disabled" /> {count(webhooks.disabled)}
          </Link>
        </dd>
      </div>
    </dl>
  );
}

function Blocked({ rows }: { readonly rows: readonly BlockedWebhook[] }) {
  return (
    <section aria-labelledby="blocked">
      <h2 id="blocked">Blocked, the longest first</h2>
      <Table label="Blocked webhooks" head={['Webhook', 'Tenant', 'Blocked for', 'Why', 'Behind it', 'Next try', 'Do']}>
        {rows.map((row) => (
          <tr key={row.webhook_id}>
            <td>
              <Link href={`/webhooks/${row.webhook_id}`}>{row.title}</Link>
              <div class="muted">{hostOf(row.url)}</div>
            </td>
            <td>
              <Link href={`/tenants/${row.client_id}`}>{row.tenant}</Link>
            </td>
            <td>
              <Since at={row.blocked_since} />
              <div class="muted">{counted(row.attempts, 'attempt')}</div>
              {row.muted_until === null ? null : (
                <div class="muted">
                  muted, ends <Time at={row.muted_until} />
                </div>
              )}
            </td>
            <td>{says(row.reason, row.status)}</td>
            <td class="number">
              {row.at_least ? '> ' : ''}
              {count(row.events)}
            </td>
            <td>
              <Time at={row.next_attempt_at} />
            </td>
            <td>
              <div class="row-actions">
                <RetryNow webhook={{ id: row.webhook_id, title: row.title, url: row.url }} attempts={row.attempts} />
                <Mute webhook={{ id: row.webhook_id, title: row.title, url: row.url, muted_until: row.muted_until }} />
              </div>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
