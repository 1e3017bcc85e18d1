// Tenants: is this customer set up right? Secrets are shown once, in the answer that made them.

import { Link, useLocation } from 'wouter-preact';
import { call, useApi } from '../api.ts';
import type { Attempt, Page, Tenant, TenantKey, Webhook } from '../api-types.ts';
import { hostOf, shortId } from '../format.ts';
import { Action } from '../ui/action.tsx';
import { Pager, usePaging } from '../ui/pager.tsx';
import { Copy, Fact, Problem, Skeleton, State, Table, Time } from '../ui/parts.tsx';
import { Links, MakeLink, Refused } from '../ui/tenant-parts.tsx';

interface Created {
  readonly client_id: string;
  readonly client_secret: string;
}

export function TenantsPage() {
  const paging = usePaging();
  const { data, error } = useApi<Page<Tenant>>(
    `/operator/tenants?limit=50${paging.cursor === undefined ? '' : `&cursor=${paging.cursor}`}`,
    10_000,
  );
  return (
    <>
      <h1>Tenants</h1>
      <div class="buttons">
        <Action
          label="Create tenant…"
          title="Create a tenant"
          needs="admin"
          tone="main"
          explain={<p>It gets a client id and a secret. The secret is shown once, here.</p>}
          fields={
            <label>
              Name
              <input name="name" required maxLength={200} autocomplete="off" />
            </label>
          }
          confirm="Create"
          run={(form) => call('POST', '/operator/tenants', { name: String(form.get('name')) })}
          done={(value) => <Secret {...(value as Created)} />}
        />
      </div>
      <Problem error={error} />
      {data === undefined ? (
        error === undefined ? (
          <Skeleton rows={4} />
        ) : null
      ) : data.data.length === 0 ? (
        <p class="empty">No tenant yet. Create one, then add its public key.</p>
      ) : (
        <Table label="Tenants" head={['Name', 'Client id', 'Scopes', 'Created']}>
          {data.data.map((tenant) => (
            <tr key={tenant.client_id}>
              <td>
                <Link href={`/tenants/${tenant.client_id}`} data-row>
                  {tenant.name}
                </Link>
              </td>
              <td>
                <code>{tenant.client_id}</code>
              </td>
              <td>{tenant.scopes.join(', ')}</td>
              <td>
                <Time at={tenant.created_at} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager paging={paging} next={data?.next_cursor} />
    </>
  );
}

function Secret({ client_id: id, client_secret: secret }: Created) {
  return (
    <span class="secret">
      <Link href={`/tenants/${id}`}>Client {shortId(id)}</Link>: secret <code>{secret}</code>{' '}
      <Copy text={secret} what="secret" /> It is not shown again.
    </span>
  );
}

export function TenantPage({ id }: { readonly id: string }) {
  const [, navigate] = useLocation();
  const { data: tenant, error } = useApi<Tenant>(`/operator/tenants/${id}`, 10_000);
  const keys = useApi<Page<TenantKey>>(`/operator/tenants/${id}/keys?limit=100`).data?.data;
  const webhooks = useApi<Page<Webhook>>(`/operator/webhooks?client_id=${id}&limit=50`, 5_000).data?.data;
  const good = useApi<Page<Attempt>>(`/operator/attempts?client_id=${id}&kind=delivery&ok=true&limit=1`, 5_000).data
    ?.data;
  if (!tenant) return error === undefined ? <Skeleton rows={6} /> : <Problem error={error} />;
  return (
    <>
      <p class="crumbs">
        <Link href="/tenants">Tenants</Link> /
      </p>
      <h1>{tenant.name}</h1>
      <Steps
        steps={[
          ['has a key that may sign its calls', (keys?.length ?? 0) > 0],
          ['has registered a webhook', (webhooks?.length ?? 0) > 0],
          ['has enabled it', webhooks?.some(({ enabled }) => enabled) === true],
          ['has received events', (good?.length ?? 0) > 0],
        ]}
      />
      <div class="buttons">
        <Action
          label="Rotate secret…"
          title={`Rotate the secret of ${tenant.name}`}
          needs="admin"
          explain={
            <p>
              A new secret is made and shown once. The present one stays good for 24 hours, so that the tenant can
              change over.
            </p>
          }
          confirm="Rotate"
          run={() => call('POST', `/operator/tenants/${id}/secret`)}
          done={(value) => <Secret {...(value as Created)} />}
        />
        <Action
          label="Change…"
          title={`Change ${tenant.name}`}
          needs="admin"
          explain={<p>A scope that is taken away is gone from tokens already issued too.</p>}
          fields={
            <>
              <label>
                Name
                <input name="name" required maxLength={200} defaultValue={tenant.name} />
              </label>
              <label>
                Scopes, separated by spaces
                <input name="scopes" required defaultValue={tenant.scopes.join(' ')} />
              </label>
            </>
          }
          confirm="Change"
          run={(form) =>
            call('PATCH', `/operator/tenants/${id}`, {
              name: String(form.get('name')),
              scopes: String(form.get('scopes')).trim().split(/\s+/),
            })
          }
          done={() => 'Changed.'}
        />
        <Action
          label="Delete…"
          title={`Delete ${tenant.name}`}
          needs="admin"
          tone="danger"
          explain={
            <p>
              The tenant goes with its keys, tokens and <b>{webhooks?.length ?? 0} webhooks</b>; whatever they have not
              received is never sent. This cannot be undone.
            </p>
          }
          confirm="Delete for ever"
          run={async () => {
            const result = await call('DELETE', `/operator/tenants/${id}`);
            if (result.ok) navigate('/tenants');
            return result;
          }}
          done={() => 'Deleted.'}
        />
        <MakeLink id={id} name={tenant.name} />
        <Link href={`/try?client_id=${id}`}>Publish an event for it</Link>
      </div>
      <dl class="facts">
        <Fact name="client id">
          <code>{id}</code> <Copy text={id} what="client id" />
        </Fact>
        <Fact name="scopes">{tenant.scopes.join(', ')}</Fact>
        <Fact name="partition">{tenant.partition}</Fact>
        <Fact name="created">
          <Time at={tenant.created_at} />
        </Fact>
        {tenant.previous_secret_until === null ? null : (
          <Fact name="earlier secret">
            good until <Time at={tenant.previous_secret_until} plain />
          </Fact>
        )}
      </dl>
      <section aria-labelledby="keys">
        <header>
          <h2 id="keys">Keys that may sign its calls</h2>
          <Action
            label="Add key…"
            title="Add a public key"
            needs="admin"
            explain={<p>What is signed with its private part is accepted as this tenant from now on.</p>}
            fields={
              <label>
                Public key, PEM or JWK
                <textarea name="key" rows={6} required spellcheck={false} />
              </label>
            }
            confirm="Add key"
            run={(form) => {
              const text = String(form.get('key')).trim();
              return call('POST', `/operator/tenants/${id}/keys`, {
                public_key: text.startsWith('{') ? readJwk(text) : text,
              });
            }}
            done={() => 'Added.'}
          />
        </header>
        {keys === undefined ? (
          <Skeleton rows={1} />
        ) : keys.length === 0 ? (
          <p class="empty">None: every call of this tenant is refused.</p>
        ) : (
          <Table label="Keys" head={['Key id', 'Algorithm', 'Added', 'Last used', 'Do']}>
            {keys.map((key) => (
              <tr key={key.key_id}>
                <td>
                  <code>{key.key_id}</code>
                </td>
                <td>{key.algorithm}</td>
                <td>
                  <Time at={key.created_at} />
                </td>
                <td>{key.last_used_at === null ? 'never' : <Time at={key.last_used_at} />}</td>
                <td>
                  <Action
                    label="Revoke"
                    title={`Revoke key ${shortId(key.key_id)}`}
                    needs="admin"
                    tone="danger"
                    explain={
                      <p>
                        {keys.length === 1
                          ? 'It is the only key: every call of this tenant is refused from now on.'
                          : 'What it signs is refused from now on.'}
                      </p>
                    }
                    confirm="Revoke"
                    run={() => call('DELETE', `/operator/tenants/${id}/keys/${key.key_id}`)}
                    done={() => 'Revoked.'}
                  />
                </td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <Links id={id} />
      <Refused id={id} />
      <section aria-labelledby="webhooks">
        <h2 id="webhooks">Webhooks</h2>
        {webhooks === undefined ? (
          <Skeleton rows={2} />
        ) : webhooks.length === 0 ? (
          <p class="empty">None yet: the tenant registers them with POST /webhooks.</p>
        ) : (
          <Table label="Webhooks" head={['Webhook', 'State', 'URL']}>
            {webhooks.map((webhook) => (
              <tr key={webhook.id}>
                <td>
                  <Link href={`/webhooks/${webhook.id}`}>{webhook.title}</Link>
                </td>
                <td>
                  <State word={webhook.state} />
                </td>
                <td>{hostOf(webhook.url)}</td>
              </tr>
            ))}
          </Table>
        )}
      </section>
    </>
  );
}

function Steps({ steps }: { readonly steps: readonly (readonly [string, boolean])[] }) {
  return (
    <ol class="steps" aria-label="The four steps">
      {steps.map(([text, isDone]) => (
        <li key={text} class={isDone ? 'done' : 'open'}>
          <span aria-hidden="true">{isDone ? '✓' : '○'}</span> {text}
          <span class="hidden">{isDone ? ': done' : ': not yet'}</span>
        </li>
      ))}
    </ol>
  );
}

function readJwk(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The service says what is wrong with it.
    return text;
  }
}
