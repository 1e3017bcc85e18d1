// Try it: publish an example event of any type, edited in place and validated against its schema, and watch it go through.

import { useEffect, useState } from 'preact/hooks';
import { Link, useSearchParams } from 'wouter-preact';
import { call, query, useApi } from '../api.ts';
import type { EventDetail, Page, Tenant } from '../api-types.ts';
import { span } from '../format.ts';
import { mayDo } from '../ui/action.tsx';
import { Problem, Skeleton, State, Table } from '../ui/parts.tsx';

interface Types {
  readonly data: readonly { readonly category: string; readonly types: readonly string[] }[];
}

interface Sent {
  readonly id: string;
  readonly clientId: string;
}

export function TryPage() {
  const [search, setSearch] = useSearchParams();
  const type = search.get('type') ?? 'ORDER.FILLED';
  const types = useApi<Types>('/operator/event-types').data?.data;
  const tenants = useApi<Page<Tenant>>('/operator/tenants?limit=100').data?.data;
  const clientId = search.get('client_id') ?? tenants?.[0]?.client_id ?? '';
  const [text, setText] = useState('');
  const [error, setError] = useState<string>();
  const [sent, setSent] = useState<Sent>();
  const [isSending, setSending] = useState(false);

  const fresh = async (): Promise<void> => {
    const result = await call<unknown>('GET', `/operator/event-types/${type}/example`);
    if (result.ok) setText(JSON.stringify(result.value, undefined, 2));
    setError(result.ok ? undefined : result.detail);
  };
  useEffect(() => void fresh(), [type]);

  const publish = async (): Promise<void> => {
    setError(undefined);
    const event = parse(text);
    if (typeof event === 'string') {
      setError(event);
      return;
    }
    setSending(true);
    const result = await call('POST', '/operator/events?validate=true', { client_id: clientId, events: [event] });
    setSending(false);
    if (!result.ok) {
      setError(result.detail);
      return;
    }
    const { id } = event;
    if (typeof id === 'string') setSent({ id, clientId });
    // The next one must be another event: the same id would be a duplicate.
    void fresh();
  };

  const set = (fields: Readonly<Record<string, string>>): void =>
    setSearch(query({ type, client_id: clientId, ...fields }));
  return (
    <>
      <h1>Try it</h1>
      {tenants !== undefined && tenants.length === 0 ? (
        <p class="empty">
          There is nobody to publish for. <Link href="/tenants">Create a tenant</Link> first.
        </p>
      ) : null}
      {types === undefined || tenants === undefined ? (
        <Skeleton rows={6} />
      ) : (
        <form
          class="try"
          onSubmit={(event) => {
            event.preventDefault();
            void publish();
          }}
        >
          <label>
            For tenant
            <select value={clientId} onChange={(event) => set({ client_id: event.currentTarget.value })}>
              {tenants.map((tenant) => (
                <option key={tenant.client_id} value={tenant.client_id}>
                  {tenant.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Event type
            <select value={type} data-search onChange={(event) => set({ type: event.currentTarget.value })}>
              {types.map(({ category, types: names }) => (
                <optgroup key={category} label={category}>
                  {names.map((name) => (
                    <option key={name} value={name}>
                      {name}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          </label>
          <label class="wide">
            The event: change whatever you like
            <textarea
              rows={18}
              spellcheck={false}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
          <Problem error={error} />
          <div class="buttons">
            <button
              type="submit"
              class="main"
              disabled={isSending || clientId === '' || !mayDo('operate')}
              title={mayDo('operate') ? undefined : 'Needs the role operate'}
            >
              {isSending ? 'Publishing…' : 'Validate and publish'}
            </button>
            <button type="button" onClick={() => void fresh()}>
              New example
            </button>
          </div>
        </form>
      )}
      {sent ? <Watch sent={sent} /> : null}
    </>
  );
}

function Watch({ sent }: { readonly sent: Sent }) {
  const { data: event, error } = useApi<EventDetail>(`/operator/events/${sent.id}?client_id=${sent.clientId}`, 500);
  return (
    <section aria-labelledby="watch" aria-live="polite">
      <h2 id="watch">
        Accepted: <Link href={`/events/${sent.id}?client_id=${sent.clientId}`}>{event?.type ?? sent.id}</Link>
      </h2>
      <Problem error={error} />
      {event === undefined ? (
        <Skeleton rows={1} />
      ) : event.webhooks.length === 0 ? (
        <p class="empty">Stored. Its tenant has no webhook that could receive it.</p>
      ) : (
        <Table label="Its way" head={['Webhook', 'State', 'After']}>
          {event.webhooks.map((way) => (
            <tr key={way.webhook_id}>
              <td>
                <Link href={`/webhooks/${way.webhook_id}`}>{way.title}</Link>
              </td>
              <td>
                <State word={way.state} />
              </td>
              <td>
                {way.delivered_at === null ? '–' : span(Date.parse(way.delivered_at) - Date.parse(event.appended_at))}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function parse(text: string): Readonly<Record<string, unknown>> | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    return 'The event must be a JSON object.';
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}
