// Parts of a tenant's page: the links that show the tenant its own webhooks, and its calls that were refused.

import { call, query, useApi } from '../api.ts';
import type { Page, RefusedCalls, TenantLink } from '../api-types.ts';
import { count, span } from '../format.ts';
import { Action } from './action.tsx';
import { Pager, useOwnPaging } from './pager.tsx';
import { Copy, Table, Time } from './parts.tsx';

const lifetimes = [
  [60, '1 hour'],
  [8 * 60, '8 hours'],
  [24 * 60, '24 hours'],
] as const;

export function MakeLink({ id, name }: { readonly id: string; readonly name: string }) {
  return (
    <Action
      label="Tenant link…"
      title={`Make a link for ${name}`}
      explain={
        <p>
          Whoever has the link sees the webhooks, events and deliveries of <b>{name}</b>, bodies of events included, and
          nothing else. It changes nothing, opens until it ends, and can be revoked.
        </p>
      }
      fields={
        <label>
          Ends after
          <select name="minutes">
            {lifetimes.map(([minutes, text]) => (
              <option key={minutes} value={minutes}>
                {text}
              </option>
            ))}
          </select>
        </label>
      }
      confirm="Make link"
      run={(form) => call('POST', `/operator/tenants/${id}/links`, { expires_in_minutes: Number(form.get('minutes')) })}
      done={(value) => <NewLink {...(value as TenantLink & { readonly url: string })} />}
    />
  );
}

function NewLink({ url, expires_at: expiresAt }: { readonly url: string; readonly expires_at: string }) {
  return (
    <span class="secret">
      <code>{url}</code> <Copy text={url} what="link" /> It ends <Time at={expiresAt} /> and is not shown again.
    </span>
  );
}

export function Links({ id }: { readonly id: string }) {
  const paging = useOwnPaging();
  const path = `/operator/tenants/${id}/links${query({ cursor: paging.cursor })}`;
  const { data } = useApi<Page<TenantLink>>(path, 10_000);
  const links = data?.data ?? [];
  if (links.length === 0 && paging.cursor === undefined) return null;
  return (
    <section aria-labelledby="links">
      <h2 id="links">Tenant links that open</h2>
      <Table label="Tenant links" head={['Made', 'By', 'First opened', 'Ends', 'Do']}>
        {links.map((link) => (
          <tr key={link.id}>
            <td>
              <Time at={link.created_at} />
            </td>
            <td>{link.made_by}</td>
            <td>{link.opened_at === null ? 'never' : <Time at={link.opened_at} />}</td>
            <td>
              <Time at={link.expires_at} />
            </td>
            <td>
              <Action
                label="Revoke"
                title="Revoke the link"
                tone="danger"
                explain={<p>Whoever has it open sees nothing more.</p>}
                confirm="Revoke"
                run={() => call('DELETE', `/operator/tenants/${id}/links/${link.id}`)}
                done={() => 'Revoked.'}
              />
            </td>
          </tr>
        ))}
      </Table>
      <Pager paging={paging} next={data?.next_cursor} label="Pages of tenant links" />
    </section>
  );
}

const says: Readonly<Record<string, string>> = {
  token: 'No valid access token',
  secret: 'A wrong client secret',
  scope: 'A scope is missing',
  throttled: 'Too many calls',
  unknown_key: 'Signed with a key that is not registered for this tenant',
  signature_mismatch: 'The signature does not fit the request',
  expired: 'The signature has expired',
  replayed: 'The same signed request came twice',
};

export function Refused({ id }: { readonly id: string }) {
  const refused = useApi<Page<RefusedCalls>>(`/operator/tenants/${id}/refused-calls`, 10_000).data?.data;
  if (refused === undefined) return null;
  return (
    <section aria-labelledby="refused">
      <h2 id="refused">Refused API calls, last 24 hours</h2>
      {refused.length === 0 ? (
        <p class="empty">None.</p>
      ) : (
        <Table label="Refused API calls" head={['Why', 'Calls', 'Last']}>
          {refused.map((row) => (
            <tr key={row.reason}>
              <td>
                {says[row.reason] ?? row.reason.replaceAll('_', ' ')} <code>{row.reason}</code>
              </td>
              <td class="number">{count(row.calls)}</td>
              <td>{lastIn(row.last_hour)}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

/** Counted by the hour. */
function lastIn(hour: string): string {
  const ageMs = Date.now() - Date.parse(hour);
  return ageMs < 3_600_000 ? 'within the hour' : `${span(ageMs - (ageMs % 3_600_000))} ago`;
}
