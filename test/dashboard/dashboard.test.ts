// The dashboard in a real browser, against a real service under load with failing, slow and absent endpoints: every page
// and every button, read as a person reads them. Screenshots go to test-results/dashboard.

import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { dashboardFolder } from '@bellhop/dashboard';
import { generateSigningKey, publicPem } from '@bellhop/signatures';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { needBuild } from '../support/build.ts';
import {
  accessibilityFaults,
  chromiumPath,
  openPage,
  patience,
  shoot,
  skipReason,
  startBrowser,
  type WatchedPage,
} from './browser.ts';
import { type Driver, drive } from './driver.ts';
import { operatorToken, startWorld, type World } from './world.ts';

describe.skipIf(chromiumPath === undefined)(`the dashboard${skipReason}`, patience, () => {
  let world: World;
  let browser: Browser;
  let watched: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    needBuild();
    [world, browser] = await Promise.all([startWorld(), startBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });
  beforeEach(async () => {
    watched = await openPage(browser, world.url);
    page = watched.page;
  });
  afterEach(async () => {
    expect(watched.faults).toEqual([]);
    await page.context().close();
  });

  const signIn: Driver['signIn'] = (path) => drive(page, world).signIn(path);
  const act: Driver['act'] = (...action) => drive(page, world).act(...action);
  const result: Driver['result'] = (text) => drive(page, world).result(text);
  const heading: Driver['heading'] = (name) => drive(page, world).heading(name);

  it('asks for the operator token, refuses a wrong one, and keeps the right one out of reach of scripts', async () => {
    const first = await page.goto('/dashboard/webhooks');
    expect(first?.status()).toBe(401);
    await page.getByLabel('Operator token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('That is not an operator token of this service.').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await shoot(page, 'sign-in');
    await page.getByLabel('Operator token').fill(operatorToken);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.link.live').waitFor();
    const reachable = await page.evaluate(
      () => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }),
    );
    expect(reachable).not.toContain(operatorToken);
    expect(reachable).not.toContain('bellhop_session');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Operator token').waitFor();
  });

  it('says that a sign-in link was used already', async () => {
    const { url } = await world.operator<{ url: string }>('POST', '/operator/session');
    await fetch(url, { redirect: 'manual' });
    await page.goto(url);
    await page.getByText('That sign-in link was used already').waitFor();
  });

  it('answers "is anything stuck, and who waits?" on one page', async () => {
    await signIn();
    await heading(/^2 of 5 webhooks are blocked; the oldest event has waited \d/);
    const blocked = page.getByRole('region', { name: 'Blocked webhooks' });
    const failing = blocked.getByRole('row').filter({ hasText: 'Ledger sync' });
    expect(await failing.innerText()).toMatch(/Acme Bank[\s\S]*The handler failed: 500/);
    const refused = blocked.getByRole('row').filter({ hasText: 'Old staging' });
    expect(await refused.innerText()).toContain('Nothing listens there');
    expect(await page.title()).toBe('2 stuck · Bellhop');
    await page.waitForFunction(() => {
      const numbers = [...document.querySelectorAll('.numbers dd')].map((element) => element.textContent ?? '');
      return Number.parseFloat(numbers[0] ?? '') > 0 && Number.parseFloat(numbers[1] ?? '') > 0;
    });
    await page.locator('.chart canvas').waitFor();
    await page.getByRole('button', { name: '15 min' }).click();
    await page.waitForURL(/range=15m/);
    expect(await page.getByText(/Last 24 h:/).innerText()).toMatch(/[1-9]\d* accepted, [1-9]\d* delivered/);
    await shoot(page, 'now');
  });

  it('finds webhooks by text and state, keeps both in the URL, and goes through rows by keyboard', async () => {
    await signIn('/webhooks');
    await page.getByRole('link', { name: 'Order feed' }).waitFor();
    await page.getByRole('button', { name: /^retrying/ }).click();
    await page.getByRole('link', { name: 'Order feed' }).waitFor({ state: 'detached' });
    expect(await page.locator('[data-row]').allInnerTexts()).toEqual(['Ledger sync', 'Old staging']);
    await page.keyboard.press('/');
    await page.keyboard.type('staging');
    await page.getByRole('link', { name: 'Ledger sync' }).waitFor({ state: 'detached' });
    expect(new URL(page.url()).search).toBe('?search=staging&state=retrying');
    await page.reload();
    await page.getByRole('link', { name: 'Old staging' }).waitFor();
    await page.getByRole('button', { name: /^disabled/ }).click();
    await page.getByText('No webhook fits.').waitFor();
    await page.getByRole('link', { name: 'Show all' }).click();
    await page.getByRole('link', { name: 'Order feed' }).waitFor();
    await page.getByRole('img', { name: 'Attempts in 1 of the last 24 hours, no failure' }).first().waitFor();
    await shoot(page, 'webhooks');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await heading('Ledger sync');
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await heading('Events');
  });

  it('tells why a webhook is blocked, down to the answer and the text that was signed', async () => {
    await signIn(`/webhooks/${world.webhooks.failing}`);
    await heading('Why it is blocked');
    expect(await page.locator('.line').innerText()).toMatch(
      /retrying for .*attempt \d+: The handler failed: 500 from 127\.0\.0\.1:\d+, (next try in \d+ s|trying now)\. [\d,]+ events wait\./,
    );
    const waited = page.getByRole('region', { name: 'How long the oldest event waited' });
    await waited.locator('canvas').waitFor();
    await waited.getByText('The same as a table').click();
    await waited
      .getByRole('cell', { name: /^\d+ (s|min)/ })
      .first()
      .waitFor();
    await waited.getByRole('button', { name: '24 h' }).click();
    await waited.getByRole('cell').first().waitFor({ state: 'detached' });
    await waited.locator('canvas').waitFor();
    await shoot(page, 'webhook');
    await page.getByRole('link', { name: 'See what was sent and answered' }).click();
    await page.getByText('database is locked').waitFor();
    expect(await page.getByRole('region', { name: 'Signature base' }).innerText()).toContain('@path: /hooks');
    expect(await page.getByRole('region', { name: 'Headers of the request' }).innerText()).toContain('digest');
    expect(await page.getByRole('region', { name: 'Body of the request' }).innerText()).toContain(
      world.webhooks.failing,
    );
    await page.getByRole('region', { name: 'Events inside' }).getByRole('link').first().waitFor();
    await page.getByRole('button', { name: 'Copy as curl' }).waitFor();
    await shoot(page, 'attempt');
    await page.goto(`/dashboard/attempts?webhook_id=${world.webhooks.failing}`);
    await page.getByRole('button', { name: 'ok', exact: true }).click();
    await page.waitForURL(/ok=true/);
    await shoot(page, 'attempts');
  });

  it('skips, tests, replays, disables and enables, each after saying what will happen, each in the audit trail', async () => {
    await signIn(`/webhooks/${world.webhooks.refused}`);
    expect(await act(page, 'Skip package…', 'Skip these events')).toMatch(
      /^\d+ events are passed over and not delivered/,
    );
    await result(/Skipped \d+ events/);
    await heading('Skipped ranges');

    expect(await act(page, 'Send test', 'Send test')).toContain('it moves nothing and is not retried');
    await result('Test sent');
    await page.getByRole('cell', { name: 'test', exact: true }).first().waitFor();

    expect(await act(page, 'Replay…', 'Replay')).toMatch(/\d+ events would go out \(again\) to 127\.0\.0\.1:9/);
    await result(/Replaying \d+ events/);

    expect(await act(page, 'Disable', 'Disable')).toContain('Its queue goes on growing');
    await page.locator('.line').filter({ hasText: 'disabled' }).waitFor();
    await world.publish('USER.CREATED', 1);
    expect(await act(page, 'Enable', 'Enable')).toContain('everything that has queued up');
    await page.locator('.line').filter({ hasText: 'retrying' }).waitFor();

    const changes = page.getByRole('region', { name: 'Changes' });
    for (const action of ['create', 'skip', 'test', 'replay', 'disable', 'enable']) {
      await changes
        .getByRole('cell', { name: `webhook.${action}`, exact: true })
        .first()
        .waitFor();
    }
    await shoot(page, 'webhook-acted');
  });

  it('lets a slow webhook catch up and says so', async () => {
    await signIn(`/webhooks/${world.webhooks.slow}`);
    await page
      .locator('.line')
      .filter({ hasText: /catching up|waiting/ })
      .waitFor();
    await page.getByText(/Of the last \d+: 100 % answered 2xx, median \d\.\d s/).waitFor();
  });

  it('finds an event and shows its way to each webhook', async () => {
    const [id = ''] = await world.publish('USER.ACTIVATED', 1);
    await signIn('/events');
    await page.getByLabel('Event id').fill(id);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('link', { name: id.slice(0, 8) }).click();
    await heading('USER.ACTIVATED');
    const way = (title: string) => page.locator('article').filter({ hasText: title });
    await way('Slow reports')
      .getByText(/waiting|delivered/)
      .first()
      .waitFor();
    await way('Old staging')
      .getByText(/waiting|retrying/)
      .first()
      .waitFor();
    await way('Paused archive').getByText('the webhook is disabled').waitFor();
    await page.getByText('Not wanted by: Order feed').waitFor();
    expect(await page.getByRole('region', { name: 'The event as JSON' }).innerText()).toContain(id);
    expect(await act(way('Slow reports'), 'Replay from here', 'Replay')).toMatch(/events? would go out/);
    await result(/Replaying \d+ event/);
    await shoot(page, 'event');
    await page.goto('/dashboard/events?type=USER');
    await page.getByRole('cell', { name: 'USER.CREATED' }).first().waitFor();
    expect(await page.getByRole('cell', { name: /^ORDER/ }).count()).toBe(0);
    await page.goto(`/dashboard/events?id=${crypto.randomUUID()}`);
    await page.getByText('No event in the log fits.').waitFor();
    await page.goto('/dashboard/events');
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.waitForURL(/cursor=/);
    await page.getByRole('button', { name: 'First page' }).click();
    await shoot(page, 'events');
  });

  it('creates a tenant, shows its secret once, manages its keys, and deletes it', async () => {
    const key = await generateSigningKey(crypto.randomUUID(), 'ed25519');
    await signIn('/tenants');
    await act(page, 'Create tenant…', 'Create', { name: 'Beta Broker' });
    await result(/secret \S{43} .*It is not shown again/);
    await shoot(page, 'tenants');
    await page.getByRole('link', { name: 'Beta Broker' }).click();
    await heading('Beta Broker');
    await page.getByText('None: every call of this tenant is refused.').waitFor();
    await act(page, 'Add key…', 'Add key', { key: 'not a key' });
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await act(page, 'Add key…', 'Add key', { key: publicPem(key) });
    await page.getByRole('cell', { name: 'ed25519' }).waitFor();
    expect(await act(page, 'Revoke', 'Revoke')).toContain('It is the only key');
    await page.getByText('None: every call of this tenant is refused.').waitFor();
    await act(page, 'Rotate secret…', 'Rotate');
    await result('It is not shown again');
    await page.getByText('good until').waitFor();
    await act(page, 'Change…', 'Change', { name: 'Beta Bank' });
    await heading('Beta Bank');
    await shoot(page, 'tenant');
    expect(await act(page, 'Delete…', 'Delete for ever')).toContain('0 webhooks');
    await heading('Tenants');
    await page.getByRole('link', { name: 'Beta Bank' }).waitFor({ state: 'detached' });
  });

  it('shows the system, makes a token once, and refuses to rotate a key too early', async () => {
    await signIn('/system');
    await page.getByText(/All \d+ partitions have a worker/).waitFor();
    await act(page, 'Make token…', 'Make token', { name: 'night shift', role: 'read' });
    await result(/Token \S{43} .*It is not shown again/);
    await page.getByRole('cell', { name: 'night shift' }).waitFor();
    await act(page, 'Rotate…', 'Rotate');
    await page.getByRole('dialog').getByText('The next key is not published long enough').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('region', { name: 'Changes' }).getByRole('cell', { name: 'operator_token.create' }).waitFor();
    await shoot(page, 'system');
    const row = page.getByRole('row').filter({ has: page.getByRole('cell', { name: 'night shift' }) });
    await act(row, 'Revoke', 'Revoke');
    await page.getByText('None besides the configured one.').waitFor();
    const next = page.getByRole('row').filter({ has: page.getByRole('cell', { name: 'next', exact: true }) });
    await act(next, 'Withdraw…', 'Withdraw');
    await page.getByRole('cell', { name: 'withdrawn', exact: true }).waitFor();
  });

  it('lists the sessions, and asks to sign in once its own is ended', async () => {
    await signIn('/system');
    const mine = page.getByRole('row').filter({ hasText: 'this one' });
    await act(mine, 'End', 'End session');
    await page.getByLabel('Operator token').waitFor();
  });

  it('publishes an edited example, refuses a wrong one, and watches it arrive', async () => {
    await signIn('/try');
    await page.getByLabel('Event type').selectOption('ORDER.CANCELLED');
    const text = page.getByLabel(/^The event/);
    await page.waitForFunction(() => document.querySelector('textarea')?.value.includes('ORDER.CANCELLED'));
    await text.fill((await text.inputValue()).replace(/"side": "\w+"/, '"side": "HOLD"'));
    await page.getByRole('button', { name: 'Validate and publish' }).click();
    await page.getByRole('alert').filter({ hasText: 'side' }).waitFor();
    await text.fill('{');
    await page.getByRole('button', { name: 'Validate and publish' }).click();
    await page.getByRole('alert').filter({ hasText: 'This is not JSON' }).waitFor();
    await page.getByRole('button', { name: 'New example' }).click();
    await page.waitForFunction(() => document.querySelector('textarea')?.value.includes('ORDER.CANCELLED'));
    await page.getByRole('button', { name: 'Validate and publish' }).click();
    await heading(/^Accepted: ORDER.CANCELLED/);
    const way = page.getByRole('region', { name: 'Its way' }).getByRole('row').filter({ hasText: 'Order feed' });
    await way.getByText('delivered').waitFor();
    await shoot(page, 'try');
  });

  it('leaves what the role does not allow visible, but not to be pressed', async () => {
    const { token } = await world.operator<{ token: string }>('POST', '/operator/tokens', {
      name: 'reader',
      role: 'read',
    });
    await page.goto('/dashboard');
    await page.getByLabel('Operator token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const retry = page.getByRole('button', { name: 'Retry now' }).first();
    await retry.waitFor();
    expect(await retry.isDisabled()).toBe(true);
    expect(await retry.getAttribute('title')).toBe('Needs the role operate');
  });

  it('has no serious accessibility fault on any page, in light and in dark, and fits 360 px', async () => {
    await signIn();
    const attempt = (await world.operator<{ data: { id: string }[] }>('GET', '/operator/attempts?ok=false&limit=1'))
      .data[0];
    const [event = ''] = await world.publish('ORDER.NEW', 1);
    const pages = {
      now: '/',
      webhooks: '/webhooks',
      webhook: `/webhooks/${world.webhooks.failing}`,
      attempts: '/attempts',
      attempt: `/attempts/${attempt?.id}`,
      events: '/events',
      event: `/events/${event}`,
      tenants: '/tenants',
      tenant: `/tenants/${world.clientId}`,
      system: '/system',
      try: '/try',
    };
    const faults: Record<string, string[]> = {};
    for (const [name, path] of Object.entries(pages)) {
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.emulateMedia({ colorScheme: 'light' });
      await page.goto(`/dashboard${path}`);
      await page.locator('.link.live').waitFor();
      await page.locator('.skeleton').first().waitFor({ state: 'detached' });
      const light = await accessibilityFaults(page);
      await page.emulateMedia({ colorScheme: 'dark' });
      const dark = await accessibilityFaults(page);
      if (name === 'now' || name === 'webhook') await shoot(page, `${name}-dark`);
      await page.setViewportSize({ width: 360, height: 740 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      if (name === 'now' || name === 'attempt') await shoot(page, `${name}-360`);
      const found = [...light, ...dark, ...(overflow > 0 ? [`${overflow} px too wide`] : [])];
      if (found.length > 0) faults[name] = found;
    }
    expect(faults).toEqual({});
  });

  it('retries now when asked, and drains in order once the endpoint is well', async () => {
    world.endpoints.failing.answer = { status: 200 };
    await signIn();
    const row = page
      .getByRole('region', { name: 'Blocked webhooks' })
      .getByRole('row')
      .filter({ hasText: 'Ledger sync' });
    expect(await act(row, 'Retry now', 'Retry now')).toContain('byte for byte as before');
    await row.waitFor({ state: 'detached' });
    await heading(/^1 of 5 webhooks is blocked/);
    expect(await page.title()).toBe('1 stuck · Bellhop');
  });

  it('says that it is disconnected as soon as the service is gone, and comes back by itself with new numbers', async () => {
    await signIn();
    await heading(/blocked/);
    await world.stopService();
    await page.getByText(/disconnected, as of \d\d:\d\d:\d\d/).waitFor();
    expect(await page.title()).toBe('disconnected · Bellhop');
    expect(await page.locator('.link.live').count()).toBe(0);
    await shoot(page, 'disconnected');
    await world.startService();
    await page.locator('.link.live').waitFor();
    await heading(/of 5 webhooks/);
  });

  it('has an API reference that needs nothing from elsewhere', async () => {
    await page.goto('/docs');
    await page.getByText('Search attempts, newest first').first().waitFor();
    await shoot(page, 'docs');
  });

  it('stays under 150 KiB of script and style, gzipped, with nothing inline', () => {
    const assets = readdirSync(new URL('assets/', dashboardFolder));
    const sizes = assets.map((name) => gzipSync(readFileSync(new URL(`assets/${name}`, dashboardFolder))).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150 * 1024);
    const html = readFileSync(new URL('index.html', dashboardFolder), 'utf8');
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=/);
  });
});
