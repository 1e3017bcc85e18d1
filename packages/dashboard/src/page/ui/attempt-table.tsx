// Attempts, newest first, each a link to the attempt to the byte.

import { Link } from 'wouter-preact';
import type { Attempt } from '../api-types.ts';
import { bytes, count, hostOf, millis } from '../format.ts';
import { says } from '../reasons.ts';
import { State, Table, Time } from './parts.tsx';

export function AttemptTable({
  attempts,
  withHost = false,
}: {
  readonly attempts: readonly Attempt[];
  readonly withHost?: boolean;
}) {
  const head = ['When', 'Outcome', 'Attempt', 'Events', 'Size', 'Took'];
  return (
    <Table label="Attempts" head={withHost ? [...head, 'To'] : head}>
      {attempts.map((attempt) => (
        <tr key={attempt.id}>
          <td>
            <Link href={`/attempts/${attempt.id}`}>
              <Time at={attempt.started_at} />
            </Link>
          </td>
          <td>
            <State word={attempt.ok ? 'ok' : 'failed'} />{' '}
            <span class="why">{attempt.ok ? attempt.status : says(attempt.reason, attempt.status)}</span>
          </td>
          <td class="number">{attempt.kind === 'test' ? 'test' : attempt.attempt}</td>
          <td class="number">{count(attempt.event_count)}</td>
          <td class="number">{bytes(attempt.bytes)}</td>
          <td class="number">{millis(attempt.duration_ms)}</td>
          {withHost ? <td>{hostOf(attempt.url)}</td> : null}
        </tr>
      ))}
    </Table>
  );
}
