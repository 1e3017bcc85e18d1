// What an operator does to all webhooks of a filtered list. The dialog says how many they are; confirming acts on exactly
// those, whatever has joined the list meanwhile.

import { useRef } from 'preact/hooks';
import { call } from '../api.ts';
import { counted } from '../format.ts';
import { Action } from './action.tsx';

export interface BulkFilter {
  readonly client_id?: string;
  readonly search?: string;
  readonly enabled?: boolean;
  readonly blocked?: boolean;
  readonly behind?: boolean;
}

interface Found {
  readonly webhook_ids: readonly string[];
  readonly more: boolean;
}

const actions = {
  retry: { label: 'Retry all…', done: 'Asked for a retry of', will: 'post their blocked package again now' },
  enable: { label: 'Enable all…', done: 'Enabled', will: 'go on from their cursors, with all that has queued up' },
  disable: { label: 'Disable all…', done: 'Disabled', will: 'get no more attempts; their queues go on growing' },
} as const;

function Bulk({ action, filter }: { readonly action: keyof typeof actions; readonly filter: BulkFilter }) {
  const found = useRef<Found>();
  const { label, done, will } = actions[action];
  return (
    <Action
      label={label}
      title={`${label.slice(0, -5)} all webhooks of this list`}
      {...(action === 'disable' ? { tone: 'danger' as const } : {})}
      explain={async () => {
        const answer = await call<Found>('POST', '/operator/webhooks/bulk', { action, filter });
        if (!answer.ok) return <p>{answer.detail}</p>;
        found.current = answer.value;
        const { webhook_ids: ids, more } = answer.value;
        if (ids.length === 0) return <p>None of this list would be changed.</p>;
        return (
          <p>
            <b>{counted(ids.length, 'webhook')}</b> {will}.
            {more ? ' These are the first; the rest takes another go.' : ''} What joins the list from now on is not
            touched.
          </p>
        );
      }}
      confirm={label.slice(0, -1)}
      run={() => call('POST', '/operator/webhooks/bulk', { action, webhook_ids: found.current?.webhook_ids ?? [] })}
      done={(value) => `${done} ${counted((value as Found).webhook_ids.length, 'webhook')}.`}
    />
  );
}

export function BulkActions({ filter }: { readonly filter: BulkFilter }) {
  return (
    <div class="buttons">
      <Bulk action="retry" filter={filter} />
      <Bulk action="enable" filter={filter} />
      <Bulk action="disable" filter={filter} />
    </div>
  );
}
