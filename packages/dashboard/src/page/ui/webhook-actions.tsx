// What an operator may do to a webhook. Each says what will happen before it happens, with counts from a dry run where
// something is sent again or passed over.

import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { call } from '../api.ts';
import type { Moved, Webhook } from '../api-types.ts';
import { count, counted, hostOf, shortId } from '../format.ts';
import { Action } from './action.tsx';

type Of = { readonly webhook: Pick<Webhook, 'id' | 'title' | 'url'> };

const path = (id: string, action: string): string => `/operator/webhooks/${id}/${action}`;

export function RetryNow({
  webhook,
  attempts,
  disabled = false,
}: Of & { readonly attempts: number; readonly disabled?: boolean }) {
  return (
    <Action
      label="Retry now"
      disabled={disabled}
      title={`Retry ${webhook.title} now`}
      tone="main"
      explain={
        <p>
          The blocked package is posted to <b>{hostOf(webhook.url)}</b> at once, byte for byte as before, as attempt{' '}
          {attempts + 1}. If it fails, the waits go on growing from there; if it succeeds, everything behind it follows.
        </p>
      }
      confirm="Retry now"
      run={() => call('POST', path(webhook.id, 'retry'))}
      done={() => 'Retry asked for: its outcome appears below in a moment.'}
    />
  );
}

export function Skip({ webhook, disabled }: Of & { readonly disabled: boolean }) {
  return (
    <Action
      label="Skip package…"
      disabled={disabled}
      title="Skip the package that blocks"
      tone="danger"
      explain={async () => {
        const counted = await call<Moved>('POST', path(webhook.id, 'skip'), { dry_run: true });
        if (!counted.ok) return <p>{counted.detail}</p>;
        return (
          <p>
            <b>{count(counted.value.events)} events</b> are passed over and not delivered to {hostOf(webhook.url)}. They
            are kept as a parked range: a replay brings them back. Delivery goes on behind them at once.
          </p>
        );
      }}
      confirm="Skip these events"
      run={() => call('POST', path(webhook.id, 'skip'), {})}
      done={(value) => `Skipped ${counted((value as Moved).events, 'event')}; they are listed under “Skipped ranges”.`}
    />
  );
}

export function Replay({
  webhook,
  eventId,
  createdAt,
}: Of & { readonly eventId?: string; readonly createdAt?: string }) {
  // The last hour, but not from before there was a webhook: the log may not reach further back.
  const [since, setSince] = useState(() =>
    localTime(Math.max(Date.now() - 3_600_000, createdAt === undefined ? 0 : Date.parse(createdAt) + 999)),
  );
  const [preview, setPreview] = useState<VNode>();
  const target = (form?: FormData): Record<string, string> => {
    if (eventId !== undefined) return { event_id: eventId };
    return { since: new Date(form === undefined ? since : String(form.get('since'))).toISOString() };
  };
  const describe = async (body: Record<string, string>): Promise<VNode> => {
    const [asked, current] = await Promise.all([
      call<Moved>('POST', path(webhook.id, 'replay'), { ...body, dry_run: true }),
      call<Webhook>('GET', `/operator/webhooks/${webhook.id}`),
    ]);
    if (!asked.ok) return <p>{asked.detail}</p>;
    if (!current.ok) return <p>{current.detail}</p>;
    const { cursor, lag } = current.value;
    const { events } = asked.value;
    const jumped = cursor !== undefined && asked.value.cursor > cursor ? Math.max(0, lag.events - events) : 0;
    return (
      <>
        <p>
          <b>{counted(events, 'event')}</b> would go out (again) to {hostOf(webhook.url)}, by today's filter.
        </p>
        {jumped > 0 ? (
          <p class="warning">
            <b>This jumps forward:</b> {lag.at_least ? 'more than ' : ''}
            {counted(jumped, 'event')} that wait before that point are passed over and not delivered. They are kept as a
            skipped range.
          </p>
        ) : null}
      </>
    );
  };
  return (
    <Action
      label={eventId === undefined ? 'Replay…' : 'Replay from here'}
      title={eventId === undefined ? 'Replay since a time' : `Replay ${webhook.title} from event ${shortId(eventId)}`}
      explain={async () => (
        <>
          {await describe(target())}
          <p>
            A package that is blocked now is given up and cut anew. The handler sees events it has seen before: it must
            deduplicate by id.
          </p>
        </>
      )}
      fields={
        eventId === undefined ? (
          <label>
            Since (local time)
            <input
              type="datetime-local"
              name="since"
              step="1"
              required
              value={since}
              onInput={(event) => {
                const { value } = event.currentTarget;
                setSince(value);
                if (value !== '') void describe({ since: new Date(value).toISOString() }).then(setPreview);
              }}
            />
            <div aria-live="polite">{preview}</div>
          </label>
        ) : undefined
      }
      confirm="Replay"
      run={(form) => call('POST', path(webhook.id, 'replay'), target(form))}
      done={(value) => `Replaying ${counted((value as Moved).events, 'event')}.`}
    />
  );
}

/** Acknowledged: it is on somebody's desk. */
export function Mute({ webhook }: { readonly webhook: Pick<Webhook, 'id' | 'title' | 'url' | 'muted_until'> }) {
  const isMuted = Boolean(webhook.muted_until);
  return (
    <Action
      label={isMuted ? 'Unmute' : 'Mute 1 h'}
      title={isMuted ? `Let ${webhook.title} alert again` : `Mute ${webhook.title} for an hour`}
      explain={
        <p>
          {isMuted
            ? 'While it is blocked it counts for alerts again, and for the number in the title.'
            : 'Somebody has it in hand: for an hour it counts for no alert and not for the number in the title. It is retried and listed as before.'}
        </p>
      }
      confirm={isMuted ? 'Unmute' : 'Mute 1 h'}
      run={() => call('POST', path(webhook.id, 'mute'), { minutes: isMuted ? 0 : 60 })}
      done={() => (isMuted ? 'It alerts again.' : 'Muted for an hour.')}
    />
  );
}

export function TestNow({ webhook }: Of) {
  return (
    <Action
      label="Send test"
      title={`Send a test event to ${webhook.title}`}
      explain={
        <p>
          One signed test event is posted to <b>{hostOf(webhook.url)}</b> now, beside the queue: it moves nothing and is
          not retried.
        </p>
      }
      confirm="Send test"
      run={() => call('POST', path(webhook.id, 'test'))}
      done={() => 'Test sent: its outcome appears among the attempts as “test”.'}
    />
  );
}

export function SwitchEnabled({ webhook, enabled }: Of & { readonly enabled: boolean }) {
  return enabled ? (
    <Action
      label="Disable"
      title={`Disable ${webhook.title}`}
      tone="danger"
      explain={
        <p>
          No more attempts from now on. Its queue goes on growing; enabling it later delivers from where it stands.
          Retention is the only bound.
        </p>
      }
      confirm="Disable"
      run={() => call('POST', path(webhook.id, 'disable'))}
      done={() => 'Disabled: its queue is growing.'}
    />
  ) : (
    <Action
      label="Enable"
      title={`Enable ${webhook.title}`}
      tone="main"
      explain={
        <p>
          Deliveries go on from the cursor, with everything that has queued up. A webhook that was never enabled starts
          with the next event.
        </p>
      }
      confirm="Enable"
      run={() => call('POST', path(webhook.id, 'enable'))}
      done={() => 'Enabled: deliveries go on from its cursor.'}
    />
  );
}

function localTime(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 19);
}
