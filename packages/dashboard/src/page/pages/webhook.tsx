// Webhook: what is this one doing, and why?

import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { useApi } from '../api.ts';
import type { Attempt, AuditEntry, History, Page, Parked, Webhook } from '../api-types.ts';
import { bytes, count, counted, hostOf, millis, shortId, span } from '../format.ts';
import { now } from '../live.ts';
import { fixOf, says } from '../reasons.ts';
import { AttemptStrip } from '../ui/attempt-strip.tsx';
import { AttemptTable } from '../ui/attempt-table.tsx';
import { AuditTable } from '../ui/audit-table.tsx';
import { LagChart } from '../ui/chart.tsx';
import { Chips } from '../ui/chips.tsx';
import { Copy, Fact, Problem, Since, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { Mute, Replay, RetryNow, Skip, SwitchEnabled, TestNow } from '../ui/webhook-actions.tsx';
import { isView } from '../view.ts';
import { typesOf } from './webhooks.tsx';

export function WebhookPage({ id }: { readonly id: string }) {
  const { data: webhook, error } = useApi<Webhook>(`/operator/webhooks/${id}`, 2_000);
  const attempts = useApi<Page<Attempt>>(`/operator/attempts?webhook_id=${id}&limit=50`, 2_000).data?.data ?? [];
  const parked = useApi<Page<Parked>>(`/operator/webhooks/${id}/parked?limit=20`, 10_000).data?.data ?? [];
  const audit =
    useApi<Page<AuditEntry>>(isView ? undefined : `/operator/audit?subject=webhook:${id}&limit=20`, 5_000).data?.data ??
    [];
  if (!webhook) return error === undefined ? <Skeleton rows={8} /> : <Problem error={error} />;
  return (
    <>
      <p class="crumbs">
        <Link href="/webhooks">Webhooks</Link> /
      </p>
      <h1>{webhook.title}</h1>
      <p class="line" aria-live="polite">
        <State word={webhook.state} /> {story(webhook)}
      </p>
      <Problem error={error} />
      {isView ? null : (
        <div class="buttons">
          <RetryNow webhook={webhook} attempts={webhook.attempts} disabled={webhook.pending === null} />
          <TestNow webhook={webhook} />
          <Replay webhook={webhook} createdAt={webhook.created_at} />
          <SwitchEnabled webhook={webhook} enabled={webhook.enabled} />
          <Skip webhook={webhook} disabled={webhook.pending === null} />
          {webhook.blocked_since === null && !webhook.muted_until ? null : <Mute webhook={webhook} />}
          <a href={`/operator/support-bundle?webhook_id=${id}`} download>
            Support bundle
          </a>
        </div>
      )}
      {webhook.blocked_since === null ? null : (
        <BlockedBy webhook={webhook} last={attempts.find(({ kind }) => kind === 'delivery')} />
      )}
      <OverTime id={id} />
      <section aria-labelledby="attempts">
        <h2 id="attempts">Last attempts</h2>
        {attempts.length === 0 ? (
          <p class="empty">
            None yet.{' '}
            {isView ? null : (
              <>
                Send a test, or <Link href={`/try?client_id=${webhook.client_id}`}>publish an event</Link>.
              </>
            )}
          </p>
        ) : (
          <>
            <AttemptStrip attempts={attempts} />
            <p class="muted">{measures(attempts)}</p>
            <AttemptTable attempts={attempts.slice(0, 15)} />
            {attempts.length > 15 ? <Link href={`/attempts?webhook_id=${id}`}>All attempts</Link> : null}
          </>
        )}
      </section>
      <section aria-labelledby="settings">
        <h2 id="settings">Settings</h2>
        <dl class="facts">
          <Fact name="URL">
            <code>{webhook.url}</code>
          </Fact>
          <Fact name="receives">{typesOf(webhook)}</Fact>
          <Fact name="delay">{webhook.config.delay}</Fact>
          <Fact name="package">up to {bytes(webhook.config.max_package_size)}</Fact>
          {webhook.cursor === undefined || webhook.head === undefined ? null : (
            <>
              <Fact name="position">
                {count(webhook.cursor)} of {count(webhook.head)} in partition {webhook.partition}
              </Fact>
              <Fact name="tenant">
                <Link href={`/tenants/${webhook.client_id}`}>{shortId(webhook.client_id)}</Link>
              </Fact>
            </>
          )}
          <Fact name="created">
            <Time at={webhook.created_at} />
          </Fact>
          <Fact name="changed">
            <Time at={webhook.updated_at} />
          </Fact>
          <Fact name="id">
            <code>{webhook.id}</code> <Copy text={webhook.id} what="id" />
          </Fact>
        </dl>
      </section>
      {parked.length > 0 ? (
        <section aria-labelledby="parked">
          <h2 id="parked">Skipped ranges</h2>
          <Table
            label="Skipped ranges"
            head={isView ? ['When', 'Events', 'Why'] : ['When', 'Events', 'Offsets', 'Why']}
          >
            {parked.map((range) => (
              <tr key={range.id}>
                <td>
                  <Time at={range.parked_at} />
                </td>
                <td class="number">{count(range.events)}</td>
                {range.first_offset === undefined ? null : (
                  <td>
                    {range.first_offset} to {range.last_offset}
                  </td>
                )}
                <td>{range.reason === 'replay' ? 'jumped over by a replay' : says(range.reason, null)}</td>
              </tr>
            ))}
          </Table>
        </section>
      ) : null}
      {audit.length > 0 ? (
        <section aria-labelledby="audit">
          <h2 id="audit">Changes</h2>
          <AuditTable entries={audit} withSubject={false} />
        </section>
      ) : null}
    </>
  );
}

function OverTime({ id }: { readonly id: string }) {
  const [range, setRange] = useState<'1h' | '24h'>('1h');
  const { data: history, error } = useApi<History>(`/operator/webhooks/${id}/history?range=${range}`, 15_000);
  return (
    <section aria-labelledby="over-time">
      <header>
        <h2 id="over-time">How long the oldest event waited</h2>
        <Chips
          label="Time shown"
          choices={[
            ['1h', '1 h'],
            ['24h', '24 h'],
          ]}
          chosen={range}
          choose={(value) => setRange(value === '24h' ? '24h' : '1h')}
        />
      </header>
      <Problem error={error} />
      {history ? <LagChart key={range} history={history} /> : <Skeleton />}
      {history?.read_back_to ? (
        <p class="muted">
          It had too many attempts to read them all: before <Time at={history.read_back_to} plain /> nothing is shown.
        </p>
      ) : null}
    </section>
  );
}

/** The state in a sentence: since when, why, what comes next. */
function story(webhook: Webhook): string {
  const { lag, state, next_attempt_at: next } = webhook;
  const behind = `${lag.at_least ? 'more than ' : ''}${counted(lag.events, 'event')}`;
  switch (state) {
    case 'retrying': {
      const since = span(now.value - Date.parse(webhook.blocked_since ?? webhook.updated_at));
      const waitMs = next === null ? 0 : Date.parse(next) - now.value;
      const then = waitMs > 0 ? `next try in ${span(waitMs)}` : 'trying now';
      return `for ${since}, attempt ${webhook.attempts}: ${says(webhook.reason, webhook.status)} from ${hostOf(webhook.url)}, ${then}. ${behind} ${lag.events === 1 ? 'waits' : 'wait'}.`;
    }
    case 'waiting':
      return `${behind} collected for the next package, sent ${webhook.config.delay} after the first.`;
    case 'catching up':
      return `${behind} to go, the oldest is ${span(lag.seconds * 1_000)} old.`;
    case 'disabled':
      return lag.events > 0 ? `no attempts; ${behind} have queued up.` : 'no attempts; nothing has queued up.';
    default:
      return 'nothing is undelivered.';
  }
}

function BlockedBy({ webhook, last }: { readonly webhook: Webhook; readonly last: Attempt | undefined }) {
  return (
    <section class="blocked" aria-labelledby="why">
      <h2 id="why">Why it is blocked</h2>
      <p>
        <b>{says(webhook.reason, webhook.status)}.</b> {fixOf(webhook.reason)}
      </p>
      <p>
        {webhook.blocked_since === null ? null : (
          <>
            Blocked for <Since at={webhook.blocked_since} />;{' '}
          </>
        )}
        {webhook.lag.at_least ? 'more than ' : ''}
        <b>{counted(webhook.lag.events, 'event')}</b> {webhook.lag.events === 1 ? 'waits' : 'wait'} in this package and
        behind it.{' '}
        {last === undefined ? null : <Link href={`/attempts/${last.id}`}>See what was sent and answered</Link>}
      </p>
    </section>
  );
}

function measures(attempts: readonly Attempt[]): string {
  const delivered = attempts.filter(({ kind }) => kind === 'delivery');
  if (delivered.length === 0) return 'Tests only so far.';
  const times = delivered.map(({ duration_ms: ms }) => ms).sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const good = delivered.filter(({ ok }) => ok);
  const events = good.reduce((sum, attempt) => sum + attempt.event_count, 0);
  const perPackage = good.length === 0 ? '' : `, ${(events / good.length).toFixed(1)} events a package`;
  return `Of the last ${count(delivered.length)}: ${Math.round((good.length / delivered.length) * 100)} % answered 2xx, median ${millis(at(0.5))}, p99 ${millis(at(0.99))}${perPackage}.`;
}
