// System: can I trust it tonight?

import { call, query, useApi } from '../api.ts';
import type { AuditEntry, OpenSession, OperatorToken, Page, SigningKey, System } from '../api-types.ts';
import { bytes, count, counted, shortId, span } from '../format.ts';
import { now, overview } from '../live.ts';
import { Action, mayDo } from '../ui/action.tsx';
import { AuditTable } from '../ui/audit-table.tsx';
import { Pager, useOwnPaging, usePaging } from '../ui/pager.tsx';
import { Copy, Fact, Problem, Skeleton, State, Table, Time } from '../ui/parts.tsx';

export function SystemPage() {
  const { data: system, error } = useApi<System>('/operator/system', 5_000);
  const keys = useApi<Page<SigningKey>>('/operator/signing-keys?limit=10').data?.data;
  const paging = usePaging();
  const audit = useApi<Page<AuditEntry>>(
    `/operator/audit?limit=25${paging.cursor === undefined ? '' : `&cursor=${paging.cursor}`}`,
    5_000,
  );
  if (!system) return error === undefined ? <Skeleton rows={8} /> : <Problem error={error} />;
  const { database } = system;
  const unowned = overview.value?.unowned_partitions ?? system.partitions.unowned;
  return (
    <>
      <h1>System</h1>
      <p class="line">
        {unowned > 0 ? (
          <>
            <State word="failed" /> {counted(unowned, 'partition')} of {system.partitions.total} without a worker:
            nothing of theirs is delivered.
          </>
        ) : (
          <>
            <State word="ok" /> All {count(system.partitions.total)} partitions have a worker. Bellhop {system.version}{' '}
            is up for {span(now.value - Date.parse(system.started_at))}.
          </>
        )}
      </p>
      <Problem error={error} />
      <div class="buttons">
        <a href="/operator/support-bundle" download>
          Support bundle
        </a>
        <span class="muted">the state of the service as a file: no secrets, no events</span>
      </div>
      <dl class="facts">
        <Fact name="version">
          Bellhop {system.version} on Node.js {system.node}
        </Fact>
        <Fact name="database">
          {database.kind === 'pglite' ? 'embedded' : 'PostgreSQL'} {database.version}, {bytes(database.bytes)}
        </Fact>
        <Fact name="log">
          about {counted(database.accepted_events, 'event')} so far, {bytes(database.events_bytes)} kept
          {database.oldest_event_at === null ? null : (
            <>
              , oldest <Time at={database.oldest_event_at} />
            </>
          )}
        </Fact>
        <Fact name="attempts">{bytes(database.attempts_bytes)}</Fact>
        <Fact name="memory">{bytes(system.memory_bytes)}</Fact>
      </dl>
      <section aria-labelledby="workers">
        <h2 id="workers">Workers</h2>
        <Table label="Workers" head={['Worker', 'Partitions', 'Seen']}>
          {system.workers.map((worker) => (
            <tr key={worker.id}>
              <td>
                <code>{shortId(worker.id)}</code>
              </td>
              <td class="number">{worker.partitions}</td>
              <td>{worker.seen_seconds_ago.toFixed(1)} s ago</td>
            </tr>
          ))}
        </Table>
      </section>
      <section aria-labelledby="signing">
        <header>
          <h2 id="signing">Keys that sign deliveries</h2>
          <Action
            label="Rotate…"
            title="Rotate the signing key"
            needs="admin"
            explain={
              <p>
                The next key, already published, signs from now on, and a new next key is published. Refused while
                receivers may not have fetched it (24 hours after its publication).
              </p>
            }
            confirm="Rotate"
            run={() => call('POST', '/operator/signing-keys/rotate', {})}
            done={() => 'Rotated.'}
          />
        </header>
        {keys === undefined ? (
          <Skeleton rows={2} />
        ) : (
          <Table label="Signing keys" head={['Key id', 'Algorithm', 'Status', 'Published', 'Active since', 'Do']}>
            {keys.map((key) => (
              <tr key={key.key_id}>
                <td>
                  <code>{shortId(key.key_id)}</code>
                </td>
                <td>{key.algorithm}</td>
                <td>{key.withdrawn_at === null ? key.status : 'withdrawn'}</td>
                <td>
                  <Time at={key.published_at} />
                </td>
                <td>
                  <Time at={key.activated_at} />
                </td>
                <td>{isPublished(key) ? <Withdraw id={key.key_id} /> : null}</td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      {mayDo('admin') ? <Tokens /> : null}
      <Sessions />
      <section aria-labelledby="settings">
        <h2 id="settings">Settings in force</h2>
        <dl class="facts">
          {Object.entries(system.settings).map(([name, value]) => (
            <Fact key={name} name={name.replaceAll('_', ' ')}>
              {value === null ? <span class="muted">not set</span> : String(value)}
            </Fact>
          ))}
        </dl>
      </section>
      <section aria-labelledby="audit">
        <h2 id="audit">Who changed what</h2>
        {audit.data === undefined ? (
          <Skeleton />
        ) : audit.data.data.length === 0 ? (
          <p class="empty">No change yet.</p>
        ) : (
          <AuditTable entries={audit.data.data} />
        )}
        <Pager paging={paging} next={audit.data?.next_cursor} />
      </section>
    </>
  );
}

const overlapMs = 24 * 60 * 60 * 1_000;

function isPublished({ retired_at: retiredAt, withdrawn_at: withdrawnAt }: SigningKey): boolean {
  return withdrawnAt === null && (retiredAt === null || now.value - Date.parse(retiredAt) < overlapMs);
}

function Withdraw({ id }: { readonly id: string }) {
  return (
    <Action
      label="Withdraw…"
      title={`Withdraw the key ${shortId(id)}`}
      needs="admin"
      tone="danger"
      explain={
        <p>
          For a key that was stolen: from now on it is not published and does not sign. If it is the active one, the
          next key signs; receivers that have not fetched that one refuse deliveries until they do, and those are sent
          again. Receivers trust the withdrawn key until they forget it: have them restarted.
        </p>
      }
      confirm="Withdraw"
      command={`bellhop keys withdraw ${id}`}
      run={() => call('DELETE', `/operator/signing-keys/${id}`)}
      done={() => 'Withdrawn.'}
    />
  );
}

function Tokens() {
  const paging = useOwnPaging();
  const { data } = useApi<Page<OperatorToken>>(`/operator/tokens${query({ cursor: paging.cursor })}`);
  const tokens = data?.data;
  return (
    <section aria-labelledby="tokens">
      <header>
        <h2 id="tokens">Operator tokens</h2>
        <Action
          label="Make token…"
          title="Make an operator token"
          needs="admin"
          explain={
            <p>
              Whoever holds it may use the operator API with its role. It is shown once, and what is done with it stands
              under its name in the audit trail.
            </p>
          }
          fields={
            <>
              <label>
                Name
                <input name="name" required maxLength={100} autocomplete="off" />
              </label>
              <label>
                Role
                <select name="role">
                  <option value="read">read: look at everything</option>
                  <option value="operate">operate: and publish, retry, replay, skip</option>
                  <option value="admin">admin: and tenants, keys, tokens</option>
                </select>
              </label>
            </>
          }
          confirm="Make token"
          run={(form) =>
            call('POST', '/operator/tokens', { name: String(form.get('name')), role: String(form.get('role')) })
          }
          done={(value) => <NewToken token={(value as { token: string }).token} />}
        />
      </header>
      {tokens === undefined ? (
        <Skeleton rows={1} />
      ) : tokens.length === 0 ? (
        <p class="empty">None besides the configured one.</p>
      ) : (
        <Table label="Operator tokens" head={['Name', 'Role', 'Made', 'Ends', 'Do']}>
          {tokens.map((token) => (
            <tr key={token.id}>
              <td>{token.name}</td>
              <td>{token.role}</td>
              <td>
                <Time at={token.created_at} />
              </td>
              <td>{token.expires_at === null ? 'never' : <Time at={token.expires_at} />}</td>
              <td>
                <Action
                  label="Revoke"
                  title={`Revoke the token ${token.name}`}
                  needs="admin"
                  tone="danger"
                  explain={<p>It is refused from now on, and dashboard sessions made with it end.</p>}
                  confirm="Revoke"
                  run={() => call('DELETE', `/operator/tokens/${token.id}`)}
                  done={() => 'Revoked.'}
                />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager paging={paging} next={data?.next_cursor} label="Pages of operator tokens" />
    </section>
  );
}

function Sessions() {
  const paging = useOwnPaging();
  const { data } = useApi<Page<OpenSession>>(`/operator/sessions${query({ cursor: paging.cursor })}`);
  const sessions = data?.data;
  return (
    <section aria-labelledby="sessions">
      <header>
        <h2 id="sessions">Dashboard sessions</h2>
        <span class="muted">{mayDo('admin') ? 'of everybody' : 'made with your token'}</span>
      </header>
      {sessions === undefined ? (
        <Skeleton rows={1} />
      ) : (
        <Table label="Dashboard sessions" head={['Who', 'Role', 'Signed in', 'Last used', 'Ends', 'Do']}>
          {sessions.map((each) => (
            <tr key={each.id}>
              <td>
                {each.actor} {each.current ? <span class="muted">this one</span> : null}
              </td>
              <td>{each.role}</td>
              <td>
                <Time at={each.created_at} />
              </td>
              <td>
                <Time at={each.last_used_at} />
              </td>
              <td>
                <Time at={each.expires_at} />
              </td>
              <td>
                <Action
                  label="End"
                  title={`End ${each.current ? 'this session' : `a session of ${each.actor}`}`}
                  needs="read"
                  tone="danger"
                  explain={<p>Its page has to sign in again. The token that it was made with stays good.</p>}
                  confirm="End session"
                  run={() => call('DELETE', `/operator/sessions/${each.id}`)}
                  done={() => 'Ended.'}
                />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager paging={paging} next={data?.next_cursor} label="Pages of sessions" />
    </section>
  );
}

function NewToken({ token }: { readonly token: string }) {
  return (
    <span class="secret">
      Token <code>{token}</code> <Copy text={token} what="token" /> It is not shown again.
    </span>
  );
}
