// What a person does on the dashboard's pages: sign in, press a button and confirm, read what is left of it.

import type { Locator, Page } from 'playwright-core';
import type { World } from './world.ts';

export interface Driver {
  signIn(path?: string): Promise<void>;
  /** Presses a button, reads the dialog, fills its fields, and confirms. Resolves with what the dialog said. */
  act(where: Page | Locator, label: string, confirm: string, fields?: Record<string, string>): Promise<string>;
  result(text: string | RegExp): Promise<void>;
  heading(name: string | RegExp): Promise<void>;
}

export function drive(page: Page, world: World): Driver {
  return {
    async signIn(path = '/') {
      const { url } = await world.operator<{ url: string }>('POST', '/operator/session');
      await page.goto(url);
      if (path !== '/') await page.goto(`/dashboard${path}`);
      await page.locator('.link.live').waitFor();
    },

    async act(where, label, confirm, fields = {}) {
      await where.getByRole('button', { name: label, exact: true }).first().click();
      const dialog = page.getByRole('dialog');
      await dialog.waitFor();
      await page.waitForFunction(
        () => !document.querySelector('dialog[open] .explain')?.textContent?.includes('Counting'),
      );
      const explained = await dialog.locator('.explain').innerText();
      for (const [name, value] of Object.entries(fields)) {
        const field = dialog.locator(`[name=${name}]`);
        if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
        else await field.fill(value);
      }
      await dialog.getByRole('button', { name: confirm, exact: true }).click();
      return explained;
    },

    result: (text) => page.getByRole('status').filter({ hasText: text }).first().waitFor(),
    heading: (name) => page.getByRole('heading', { name }).first().waitFor(),
  };
}
