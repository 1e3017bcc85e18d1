// A webhook by what people have at hand: its id, the beginning of its id, or its title.

import type { Client, Webhook } from '@bellhop/client';
import { CliError, exitCodes, usageError } from './exit.ts';
import { printable } from './table.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export async function findWebhook(client: Client, which: string, signal: AbortSignal): Promise<Webhook> {
  if (uuid.test(which)) return client.webhooks.get(which, { signal });
  const fitting: Webhook[] = [];
  for await (const webhook of client.webhooks.iterate({ limit: 1_000 }, { signal })) {
    if (webhook.title === which || (which.length >= 4 && webhook.id.startsWith(which.toLowerCase())))
      fitting.push(webhook);
  }
  const [found, another] = fitting;
  if (found === undefined) {
    throw new CliError(exitCodes.failed, `There is no webhook ${which}.`, 'Which there are: bellhop webhooks list');
  }
  if (another !== undefined) {
    const names = fitting.map(({ id, title }) => `${id} (${printable(title)})`).join(', ');
    throw usageError(`${which} fits several webhooks: ${names}.`, 'Give the id.');
  }
  return found;
}
