// Who changed what, newest first, with what was there before and after.

import { Link } from 'wouter-preact';
import type { AuditEntry } from '../api-types.ts';
import { shortId } from '../format.ts';
import { Table, Time } from './parts.tsx';

export function AuditTable({
  entries,
  withSubject = true,
}: {
  readonly entries: readonly AuditEntry[];
  readonly withSubject?: boolean;
}) {
  return (
    <Table
      label="Changes"
      head={
        withSubject ? ['When', 'Who', 'What', 'On', 'Before and after'] : ['When', 'Who', 'What', 'Before and after']
      }
    >
      {entries.map((entry) => (
        <tr key={entry.id}>
          <td>
            <Time at={entry.at} />
          </td>
          <td>{who(entry.actor)}</td>
          <td>{entry.action}</td>
          {withSubject ? <td>{subject(entry.subject)}</td> : null}
          <td class="change">
            {entry.before === null && entry.after === null ? null : (
              <details>
                <summary>{short(entry.before, entry.after) || 'nothing'}</summary>
                <pre>{`before ${JSON.stringify(entry.before, undefined, 2)}\nafter  ${JSON.stringify(entry.after, undefined, 2)}`}</pre>
              </details>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function who(actor: string) {
  const [kind = '', id = ''] = actor.split(':');
  return kind === 'tenant' ? <Link href={`/tenants/${id}`}>tenant {shortId(id)}</Link> : actor;
}

function subject(text: string) {
  const [kind = '', id = ''] = text.split(':');
  if (kind === 'webhook') return <Link href={`/webhooks/${id}`}>webhook {shortId(id)}</Link>;
  if (kind === 'tenant') return <Link href={`/tenants/${id}`}>tenant {shortId(id)}</Link>;
  return id === '' ? text : `${kind.replaceAll('_', ' ')} ${shortId(id)}`;
}

/** What changed, where both are known; otherwise what was made or taken away. */
function short(before: unknown, after: unknown): string {
  const changed = isFields(before) && isFields(after) ? changedFields(before, after) : undefined;
  const text = changed ?? JSON.stringify(after ?? before) ?? '';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function changedFields(before: Fields, after: Fields): string {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => name !== 'updated_at' && JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => `${name}: ${JSON.stringify(before[name]) ?? '–'} → ${JSON.stringify(after[name]) ?? '–'}`)
    .join(', ');
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
