// A headless Chromium for tests, where one is installed: the distribution's package, or BELLHOP_TEST_CHROMIUM. The pages it
// opens report what must not happen: errors of scripts, refused by the content security policy, requests to other hosts.

import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const candidates = [process.env['BELLHOP_TEST_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser'];
export const chromiumPath = candidates.find((path) => path !== undefined && existsSync(path));
/** Why the tests are skipped, as part of their name. */
export const skipReason = chromiumPath === undefined ? ' (skipped: Chromium is not installed)' : '';

const screenshots = fileURLToPath(new URL('../../test-results/dashboard', import.meta.url));

export async function startBrowser(): Promise<Browser> {
  mkdirSync(screenshots, { recursive: true });
  return chromium.launch({
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    args: ['--no-sandbox', '--disable-gpu'],
  });
}

/** Of one test in a browser, on a machine with other things to do. */
export const patience = { timeout: 180_000 };

export interface WatchedPage {
  readonly page: Page;
  readonly faults: readonly string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('console', (message) => {
    // What the service refuses or does not answer is the subject of tests, not a fault of the page.
    if (message.type() === 'error' && !/Failed to load resource|ERR_|EventSource/.test(message.text())) {
      faults.push(`console: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
  });
  page.setDefaultTimeout(30_000);
  return { page, faults };
}

export async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

/** What axe-core finds serious or critical, one line a fault. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Through the debugger: a script tag would be refused by the page's own policy.
  await page.evaluate(await readAxe());
  const found: unknown = await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')))`,
  );
  if (!Array.isArray(found)) throw new TypeError('axe gave no list');
  return found.map(String);
}

let axe: string | undefined;

async function readAxe(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  axe ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  return axe;
}
