// Attempts: all of a webhook or of everybody, newest first; and one attempt: what exactly was sent and answered?

import { Link, useSearchParams } from 'wouter-preact';
import { query, useApi } from '../api.ts';
import type { Attempt, AttemptDetail, Page, Webhook } from '../api-types.ts';
import { bytes, count, counted, millis, shortId } from '../format.ts';
import { fixOf, says } from '../reasons.ts';
import { AttemptTable } from '../ui/attempt-table.tsx';
import { Chips } from '../ui/chips.tsx';
import { Pager, usePaging } from '../ui/pager.tsx';
import { Code, Copy, Fact, Problem, pretty, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { RetryNow } from '../ui/webhook-actions.tsx';
import { isView } from '../view.ts';

export function AttemptsPage() {
  const [search, setSearch] = useSearchParams();
  const paging = usePaging();
  const webhookId = search.get('webhook_id') ?? '';
  const ok = search.get('ok') ?? '';
  const { data, error } = useApi<Page<Attempt>>(
    `/operator/attempts${query({ webhook_id: webhookId, package_id: search.get('package_id') ?? '', ok, cursor: paging.cursor, limit: '50' })}`,
    5_000,
  );
  return (
    <>
      {webhookId === '' ? null : (
        <p class="crumbs">
          <Link href="/webhooks">Webhooks</Link> / <Link href={`/webhooks/${webhookId}`}>{shortId(webhookId)}</Link> /
        </p>
      )}
      <h1>Attempts</h1>
      <Chips
        label="Outcome"
        choices={[
          ['', 'all'],
          ['false', 'failed'],
          ['true', 'ok'],
        ]}
        chosen={ok}
        choose={(value) => setSearch(query({ webhook_id: webhookId, ok: value }))}
      />
      <Problem error={error} />
      {data ? <AttemptTable attempts={data.data} withHost /> : <Skeleton rows={6} />}
      <Pager paging={paging} next={data?.next_cursor} />
    </>
  );
}

export function AttemptPage({ id }: { readonly id: string }) {
  const { data: attempt, error } = useApi<AttemptDetail>(`/operator/attempts/${id}`);
  const { data: webhook } = useApi<Webhook>(
    attempt === undefined ? undefined : `/operator/webhooks/${attempt.webhook_id}`,
    5_000,
  );
  const { data: others } = useApi<Page<Attempt>>(
    attempt === undefined
      ? undefined
      : `/operator/attempts?webhook_id=${attempt.webhook_id}&package_id=${attempt.package_id}&limit=50`,
    5_000,
  );
  if (!attempt) return error === undefined ? <Skeleton rows={8} /> : <Problem error={error} />;
  const { request, response, events } = attempt;
  const isPending = webhook?.pending?.package_id === attempt.package_id;
  return (
    <>
      <p class="crumbs">
        <Link href="/webhooks">Webhooks</Link> /{' '}
        <Link href={`/webhooks/${attempt.webhook_id}`}>{webhook?.title ?? shortId(attempt.webhook_id)}</Link> /
      </p>
      <h1>
        {attempt.kind === 'test' ? 'Test' : `Attempt ${attempt.attempt} of package ${shortId(attempt.package_id)}`}
      </h1>
      <p class="line">
        <State word={attempt.ok ? 'ok' : 'failed'} />{' '}
        {attempt.ok ? `answered ${attempt.status}` : says(attempt.reason, attempt.status)} after{' '}
        {millis(attempt.duration_ms)}, <Time at={attempt.started_at} />. {attempt.ok ? '' : fixOf(attempt.reason)}
      </p>
      <div class="buttons">
        {isPending && webhook && !isView ? <RetryNow webhook={webhook} attempts={webhook.attempts} /> : null}
        {request.headers === null || request.body === null ? null : <Copy text={curlOf(attempt)} what="as curl" />}
        {request.body === null ? null : <Copy text={request.body} what="body" />}
        {request.signature_base === null ? null : <Copy text={request.signature_base} what="signature base" />}
      </div>
      <dl class="facts">
        <Fact name="posted to">
          <code>{attempt.url}</code>
        </Fact>
        <Fact name="started">
          <Time at={attempt.started_at} plain />
        </Fact>
        <Fact name="carried">
          {counted(attempt.event_count, 'event')}, {bytes(attempt.bytes)}
        </Fact>
        <Fact name="package">
          <code>{attempt.package_id}</code>
        </Fact>
      </dl>

      <section aria-labelledby="answer">
        <h2 id="answer">Answer</h2>
        {response === null ? (
          <p class="empty">There was none.</p>
        ) : (
          <>
            <p>
              Status <b>{response.status}</b>
            </p>
            {response.headers === null ? (
              <p class="muted">Headers and body are kept of failed attempts and tests.</p>
            ) : (
              <Headers label="Headers of the answer" headers={response.headers} />
            )}
            {response.excerpt === null || response.excerpt === '' ? null : (
              <Code label="Body of the answer" text={pretty(response.excerpt)} />
            )}
          </>
        )}
      </section>

      <section aria-labelledby="request">
        <h2 id="request">Request</h2>
        {request.headers === null ? (
          <p class="muted">Headers are kept of failed attempts and tests: this one was answered {attempt.status}.</p>
        ) : (
          <Headers label="Headers of the request" headers={request.headers} />
        )}
        {request.signature_base === null ? null : (
          <>
            <h3>Signature base</h3>
            <p class="muted">
              The text that was signed. A receiver that rebuilds another one refuses the signature: compare line by
              line.
            </p>
            <Code label="Signature base" text={request.signature_base} />
          </>
        )}
        <h3>Body</h3>
        {request.body === null ? (
          <p class="muted">
            {attempt.kind === 'test'
              ? 'A test event, made for this attempt.'
              : 'The log does not hold all of its events any more.'}
          </p>
        ) : (
          <Code label="Body of the request" text={pretty(request.body.slice(0, maxBodyShown))} />
        )}
        {request.body !== null && request.body.length > maxBodyShown ? (
          <p class="muted">The first {bytes(maxBodyShown)} are shown; “copy body” has all of it.</p>
        ) : null}
      </section>

      {events === null ? null : (
        <section aria-labelledby="inside">
          <h2 id="inside">Events inside</h2>
          <Table
            label="Events inside"
            head={isView ? ['Event', 'Type', 'Created'] : ['Event', 'Type', 'Created', 'Offset']}
          >
            {events.slice(0, 100).map((event) => (
              <tr key={event.id}>
                <td>
                  <Link href={`/events/${event.id}${isView ? '' : `?client_id=${attempt.client_id}`}`}>
                    {shortId(event.id)}
                  </Link>
                </td>
                <td>{event.type}</td>
                <td>
                  <Time at={event.created_at} />
                </td>
                {event.offset === undefined ? null : <td class="number">{count(event.offset)}</td>}
              </tr>
            ))}
          </Table>
          {events.length > 100 ? <p class="muted">and {count(events.length - 100)} more</p> : null}
        </section>
      )}

      {others && others.data.length > 1 ? (
        <section aria-labelledby="others">
          <h2 id="others">All attempts of this package</h2>
          <AttemptTable attempts={others.data} />
        </section>
      ) : null}
    </>
  );
}

const maxBodyShown = 64 * 1024;

function Headers({ headers, label }: { readonly headers: Readonly<Record<string, unknown>>; readonly label: string }) {
  return (
    <Table label={label} head={['Header', 'Value']}>
      {Object.entries(headers).map(([name, value]) => (
        <tr key={name}>
          <td class="name">
            <code>{name}</code>
          </td>
          <td class="value">
            <code>{Array.isArray(value) ? value.join(', ') : String(value)}</code>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function curlOf({ url, request }: AttemptDetail): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const headers = Object.entries(request.headers ?? {})
    .filter(([name]) => !['host', 'connection', 'content-length'].includes(name))
    .map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
  return ['curl -i -X POST', quote(url), ...headers, '--data-binary', quote(request.body ?? '')].join(' ');
}
