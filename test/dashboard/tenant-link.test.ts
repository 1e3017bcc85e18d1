// A tenant link in a real browser, made on the operator's page and opened in another one; and what an operator does to many
// webhooks, and to one that somebody has in hand. Screenshots go to test-results/dashboard.

import { readFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
import { drive } from './driver.ts';
import { startWorld, type World } from './world.ts';

describe.skipIf(chromiumPath === undefined)(`a tenant link and many webhooks${skipReason}`, patience, () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    needBuild();
    [world, browser] = await Promise.all([startWorld(), startBrowser()]);
  });
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });

  async function inBrowser(work: (opened: WatchedPage) => Promise<void>): Promise<void> {
    const opened = await openPage(browser, world.url);
    await work(opened);
    expect(opened.faults).toEqual([]);
    await opened.page.context().close();
  }

  it('shows a tenant its webhooks, packages and events, to read only, until it is revoked', () =>
    inBrowser(async ({ page: operatorPage }) => {
      const operator = drive(operatorPage, world);
      await operator.signIn(`/tenants/${world.clientId}`);
      await operator.heading('Acme Bank');
      const explained = await operator.act(operatorPage, 'Tenant link…', 'Make link', { minutes: '480' });
      expect(explained).toContain('and nothing else. It changes nothing');
      await operator.result(/\/view\/open\/\S{43} .*is not shown again/);
      const url = await operatorPage.locator('.secret code').innerText();
      await shoot(operatorPage, 'tenant-link');

      await inBrowser(async ({ page, faults }) => {
        const asked: string[] = [];
        page.on('request', (request) => asked.push(new URL(request.url()).pathname));
        await page.goto(url);
        await page.waitForURL(/\/view\/webhooks$/);
        await page.locator('.link.live').waitFor();
        expect(await page.getByRole('banner').innerText()).toMatch(/Acme Bank[\s\S]*read only, until \d\d:\d\d/);
        expect(await page.getByRole('navigation', { name: 'Pages' }).innerText()).toBe('Webhooks\nEvents');
        expect(await page.title()).toBe('Acme Bank · Bellhop');
        await page.getByRole('link', { name: 'Order feed' }).waitFor();
        await shoot(page, 'view-webhooks');
        expect(await accessibilityFaults(page)).toEqual([]);

        await page.getByRole('link', { name: 'Ledger sync' }).click();
        await page.getByRole('heading', { name: 'Why it is blocked' }).waitFor();
        await page.getByRole('region', { name: 'How long the oldest event waited' }).locator('canvas').waitFor();
        for (const name of ['Retry now', 'Disable', 'Skip package…', 'Replay…', 'Send test', 'Mute 1 h']) {
          expect(await page.getByRole('button', { name }).count(), name).toBe(0);
        }
        expect(await accessibilityFaults(page)).toEqual([]);
        await shoot(page, 'view-webhook');
        await page.getByRole('link', { name: 'See what was sent and answered' }).click();
        await page.getByText('database is locked').waitFor();
        await page.getByRole('region', { name: 'Events inside' }).getByRole('link').first().click();
        await page.getByRole('heading', { name: 'Its way to each webhook' }).waitFor();
        await page.getByRole('region', { name: 'The event as JSON' }).getByText('"object"').waitFor();
        expect(await page.getByRole('button', { name: 'Replay from here' }).count()).toBe(0);

        await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Events' }).click();
        await page.getByLabel('Object id').fill('nothing-like-it');
        await page.getByRole('button', { name: 'Search' }).click();
        await page.getByText('No event in the log fits.').waitFor();
        await page.setViewportSize({ width: 360, height: 740 });
        await page.goto('/view/events');
        await page.locator('[data-row]').first().waitFor();
        await shoot(page, 'view-events-360');
        for (const path of ['/view/tenants', '/view/system', '/view/try']) {
          await page.goto(path);
          await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
        }
        // Not one call of the operator API was tried.
        expect(asked.filter((path) => path.startsWith('/operator'))).toEqual([]);
        expect(faults).toEqual([]);

        await page.goto('/view/webhooks');
        await page.getByRole('link', { name: 'Order feed' }).waitFor();
        const links = operatorPage.getByRole('region', { name: 'Tenant links', exact: true });
        expect(await operator.act(links, 'Revoke', 'Revoke')).toContain('sees nothing more');
        await page.getByRole('heading', { name: 'This link has ended' }).waitFor();
        expect(await accessibilityFaults(page)).toEqual([]);
        await page.goto(url);
        await page.getByRole('heading', { name: 'This link has ended' }).waitFor();
      });

      await operatorPage.goto('/dashboard/system');
      const changes = operatorPage.getByRole('region', { name: 'Changes' });
      await changes.getByRole('cell', { name: 'tenant_link.create' }).first().waitFor();
      await changes.getByRole('cell', { name: 'tenant_link.delete' }).first().waitFor();
    }));

  it('says that a tenant view is disconnected when the service is gone, and comes back by itself', () =>
    inBrowser(async ({ page }) => {
      const { url } = await world.operator<{ url: string }>('POST', `/operator/tenants/${world.clientId}/links`);
      await page.goto(url);
      await page.locator('.link.live').waitFor();
      await world.stopService();
      await page.getByText(/disconnected, as of \d\d:\d\d:\d\d/).waitFor();
      expect(await page.title()).toBe('disconnected · Bellhop');
      await world.startService();
      await page.locator('.link.live').waitFor();
      expect(await page.title()).toBe('Acme Bank · Bellhop');
    }));

  it('mutes a blocked webhook, which then is not called stuck, and lets it alert again', () =>
    inBrowser(async ({ page }) => {
      const { signIn, heading, act } = drive(page, world);
      await signIn();
      await heading(/^2 of 5 webhooks are blocked;/);
      const row = page
        .getByRole('region', { name: 'Blocked webhooks' })
        .getByRole('row')
        .filter({ hasText: 'Old staging' });
      expect(await act(row, 'Mute 1 h', 'Mute 1 h')).toContain('retried and listed as before');
      await heading(/^2 of 5 webhooks are blocked, 1 of them muted;/);
      await row.getByText('muted, ends').waitFor();
      expect(await page.title()).toBe('1 stuck · Bellhop');
      await shoot(page, 'now-muted');
      await act(row, 'Unmute', 'Unmute');
      await heading(/^2 of 5 webhooks are blocked;/);
    }));

  it('counts the webhooks of a filtered list before it acts on them, and acts on those', () =>
    inBrowser(async ({ page }) => {
      const { signIn, act, result } = drive(page, world);
      await signIn('/webhooks?state=retrying');
      await page.getByRole('link', { name: 'Old staging' }).waitFor();
      expect(await act(page, 'Retry all…', 'Retry all')).toMatch(/^2 webhooks post their blocked package again now/);
      await result('Asked for a retry of 2 webhooks.');
      await page.goto('/dashboard/webhooks?search=staging');
      await page.getByRole('link', { name: 'Order feed' }).waitFor({ state: 'detached' });
      expect(await act(page, 'Enable all…', 'Enable all')).toBe('None of this list would be changed.');
      await result('Enabled 0 webhooks.');
      expect(await act(page, 'Disable all…', 'Disable all')).toMatch(/^1 webhook get/);
      await result('Disabled 1 webhook.');
      await shoot(page, 'webhooks-bulk');
      await page.getByRole('cell', { name: 'disabled' }).waitFor();
      await act(page, 'Enable all…', 'Enable all');
      await result('Enabled 1 webhook.');
    }));

  it('gives a support bundle without what must not leave the house', () =>
    inBrowser(async ({ page }) => {
      const { signIn } = drive(page, world);
      await signIn(`/webhooks/${world.webhooks.failing}`);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Support bundle' }).click(),
      ]);
      expect(download.suggestedFilename()).toMatch(/^bellhop-[0-9a-f-]{36}-.*\.json$/);
      const text = await readFile(await download.path(), 'utf8');
      expect(JSON.parse(text)).toMatchObject({ webhook: { state: { title: 'Ledger sync' } } });
      expect(text).not.toContain('database is locked');
    }));

  it("says why a tenant's calls were refused and when its key was used", () =>
    inBrowser(async ({ page }) => {
      await fetch(`${world.url}/webhooks`, { headers: { 'upvest-client-id': world.clientId } });
      const { signIn } = drive(page, world);
      await signIn(`/tenants/${world.clientId}`);
      await page.getByRole('region', { name: 'Refused API calls', exact: true }).getByRole('row').nth(1).waitFor();
      await page
        .getByRole('region', { name: 'Keys', exact: true })
        .getByRole('cell', { name: /ago|now/ })
        .nth(1)
        .waitFor();
      await shoot(page, 'tenant-refused');
      expect(await accessibilityFaults(page)).toEqual([]);
    }));
});
