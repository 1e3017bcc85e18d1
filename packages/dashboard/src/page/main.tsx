// The dashboard: sign-in or the shell with its pages. The URL is the state; the title and the icon say how things stand.

import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Link, Route, Router, Switch, useLocation } from 'wouter-preact';
import { call, loadSession, session } from './api.ts';
import { clock, isUtc, switchUtc } from './format.ts';
import { keys, listenToKeys } from './keyboard.ts';
import { link, overview, shownAt, startLive } from './live.ts';
import { AttemptPage, AttemptsPage } from './pages/attempts.tsx';
import { EventsPage, OneEventPage } from './pages/events.tsx';
import { NowPage } from './pages/now.tsx';
import { LinkEndedPage, SignInPage } from './pages/sign-in.tsx';
import { SystemPage } from './pages/system.tsx';
import { TenantPage, TenantsPage } from './pages/tenants.tsx';
import { TryPage } from './pages/try.tsx';
import { WebhookPage } from './pages/webhook.tsx';
import { WebhooksPage } from './pages/webhooks.tsx';
import { base, isView } from './view.ts';

const links = isView
  ? ([
      ['/webhooks', 'Webhooks'],
      ['/events', 'Events'],
    ] as const)
  : ([
      ['/', 'Now'],
      ['/webhooks', 'Webhooks'],
      ['/events', 'Events'],
      ['/tenants', 'Tenants'],
      ['/system', 'System'],
      ['/try', 'Try it'],
    ] as const);

function App() {
  if (session.value === undefined) return <p class="starting">Starting…</p>;
  if (session.value === null) return isView ? <LinkEndedPage /> : <SignInPage />;
  return (
    <Router base={base}>
      <Shell />
    </Router>
  );
}

function Shell() {
  const [path, navigate] = useLocation();
  const help = useRef<HTMLDialogElement>(null);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);

  useEffect(() => startLive(), []);
  useEffect(() => listenToKeys(navigate, () => help.current?.showModal()), [navigate]);
  useEffect(() => {
    // A new page is read from its beginning, as after a page load.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
    scrollTo(0, 0);
  }, [path]);

  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="shell">
        <Link href="/" class="brand">
          Bellhop
          {isView ? <span class="whose"> · {session.value?.tenant}</span> : null}
        </Link>
        <nav aria-label="Pages">
          {links.map(([href, name]) => (
            <Link key={href} href={href} aria-current={isUnder(path, href) ? 'page' : undefined}>
              {name}
              {href === '/' && stuck() > 0 ? <span class="badge">{stuck()}</span> : null}
            </Link>
          ))}
        </nav>
        <div class="status">
          <Connection />
          <button
            type="button"
            class="quiet"
            aria-pressed={isUtc.value}
            onClick={switchUtc}
            title="Times in UTC or local and relative"
          >
            UTC
          </button>
          <button type="button" class="quiet" onClick={() => help.current?.showModal()} aria-label="Keyboard shortcuts">
            ?
          </button>
          {isView ? <Until /> : <a href="/docs">API</a>}
          <button
            type="button"
            class="quiet"
            title={
              isView
                ? 'Forgets the link in this browser'
                : `Signed in as ${session.value?.actor}, role ${session.value?.role}`
            }
            onClick={() => void signOut()}
          >
            {isView ? 'Leave' : 'Sign out'}
          </button>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} class={link.value === 'lost' ? 'old' : ''}>
        <Switch>
          <Route path="/" component={isView ? WebhooksPage : NowPage} />
          <Route path="/webhooks" component={WebhooksPage} />
          <Route path="/webhooks/:id">{({ id }) => <WebhookPage key={id} id={id} />}</Route>
          <Route path="/attempts" component={AttemptsPage} />
          <Route path="/attempts/:id">{({ id }) => <AttemptPage key={id} id={id} />}</Route>
          <Route path="/events" component={EventsPage} />
          <Route path="/events/:id">{({ id }) => <OneEventPage key={id} id={id} />}</Route>
          {isView ? null : <Route path="/tenants" component={TenantsPage} />}
          {isView ? null : <Route path="/tenants/:id">{({ id }) => <TenantPage key={id} id={id} />}</Route>}
          {isView ? null : <Route path="/system" component={SystemPage} />}
          {isView ? null : <Route path="/try" component={TryPage} />}
          <Route>
            <h1>There is no such page</h1>
            <p>
              <Link href="/">To the overview</Link>
            </p>
          </Route>
        </Switch>
      </main>
      <dialog ref={help} aria-labelledby="help">
        <h2 id="help">Keys</h2>
        <dl class="facts">
          {keys.map(([key, does]) => (
            <div key={key} class="fact">
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog" class="buttons">
          <button type="button" onClick={() => help.current?.close()}>
            Close
          </button>
        </form>
      </dialog>
    </>
  );
}

/** What a person has seen already calls nobody. */
function stuck(): number {
  const { retrying = 0, muted = 0 } = overview.value?.webhooks ?? {};
  return retrying - muted;
}

/** A tenant link only reads, and ends. */
function Until() {
  const until = session.value?.expires_at;
  return <span class="muted">read only{until ? `, until ${clock(new Date(until)).slice(0, 5)}` : ''}</span>;
}

/** Green only while numbers really come; otherwise grey, with the time of those that are shown. */
function Connection() {
  const at = shownAt.value;
  if (link.value === 'live') {
    return (
      <span class="link live" role="status">
        <span aria-hidden="true">●</span> live
      </span>
    );
  }
  return (
    <span class="link lost" role="status">
      <span aria-hidden="true">○</span>{' '}
      {link.value === 'connecting' ? 'connecting' : `disconnected${at ? `, as of ${clock(at)}` : ''}`}
    </span>
  );
}

async function signOut(): Promise<void> {
  await call('DELETE', '/operator/session');
  location.assign(base);
}

function isUnder(path: string, href: string): boolean {
  if (href === '/') return path === '/';
  return path === href || path.startsWith(`${href}/`) || (href === '/webhooks' && path.startsWith('/attempts'));
}

effect(() => {
  const retrying = stuck();
  const isOld = link.value === 'lost';
  const state = isView ? (session.value?.tenant ?? 'tenant link') : retrying > 0 ? `${retrying} stuck` : 'flowing';
  document.title = `${isOld ? 'disconnected' : state} · Bellhop`;
  const colour = isOld ? '%23888' : retrying > 0 ? '%23c62828' : '%232e7d32';
  const shape = retrying > 0 && !isOld ? "<path d='M8 1 L15 15 L1 15 Z'" : "<circle cx='8' cy='8' r='7'";
  const icon = document.querySelector('link[rel=icon]');
  icon?.setAttribute(
    'href',
    `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${shape} fill='${colour}'/></svg>`,
  );
});

void loadSession();
const root = document.getElementById('app');
if (root) render(<App />, root);
