// The live numbers. When the stream breaks or goes quiet, what is shown is called old at once ("as of …"), and the page
// goes on trying by itself; numbers become live again with the first new one, never before.
//
// A tenant link has no stream: its page asks whether the link still holds, and an answer means that what is shown is.

import { signal } from '@preact/signals';
import { call, session } from './api.ts';
import type { Overview, Session } from './api-types.ts';
import { isView } from './view.ts';

export const overview = signal<Overview | undefined>(undefined);
/** `live`: a number came within the last seconds. */
export const link = signal<'connecting' | 'live' | 'lost'>('connecting');
/** When the shown numbers came, by this browser's clock. */
export const shownAt = signal<Date | undefined>(undefined);
/** One clock for all relative times on the page. */
export const now = signal(Date.now());

const quietMs = 5_000;
const reconnectMs = 1_000;
const askMs = 2_000;

export function startLive(): void {
  setInterval(() => {
    // While nothing new comes the clock stands still: "blocked for" must not grow on what may be over.
    if (link.value !== 'lost') now.value = Date.now();
    const at = shownAt.value;
    if (link.value === 'live' && at !== undefined && Date.now() - at.getTime() > quietMs) link.value = 'lost';
  }, 1_000);
  if (isView) void ask();
  else connect();
}

async function ask(): Promise<void> {
  const answer = await call<Session>('GET', '/operator/session');
  if (answer.ok) {
    shownAt.value = new Date();
    now.value = Date.now();
  }
  link.value = answer.ok ? 'live' : 'lost';
  if (session.value !== null) setTimeout(() => void ask(), askMs);
}

function connect(): void {
  const source = new EventSource('/operator/stream');
  source.addEventListener('overview', (message) => {
    overview.value = JSON.parse(message.data);
    shownAt.value = new Date();
    now.value = Date.now();
    link.value = 'live';
  });
  source.addEventListener('trouble', () => {
    link.value = 'lost';
  });
  source.addEventListener('error', () => {
    link.value = 'lost';
    // A new one each time: browsers wait longer and longer by themselves, and give up after an answer that is an error.
    source.close();
    if (session.value !== null) setTimeout(connect, reconnectMs);
  });
}
