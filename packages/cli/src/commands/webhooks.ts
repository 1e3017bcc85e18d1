// `bellhop webhooks …`: the webhook operations of the API, and their state where the service has an operator API.

import type { NewWebhook, Webhook, WebhookChanges } from '@bellhop/client';
import { type Connection, calling, connect, connectOperator } from '../connect.ts';
import { durationMsOf, shortDuration } from '../duration.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { findWebhook } from '../find-webhook.ts';
import { type Fields, isRecord, recordsOf, textOf } from '../json.ts';
import type { TargetFlags } from '../profiles/target.ts';
import { printable, printFacts, printTable, tableLines } from '../table.ts';
import { pause, waitFor } from '../wait.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

interface FieldFlags extends WriteFlags {
  readonly title?: string;
  readonly url?: string;
  readonly type?: readonly string[];
  readonly excludeType?: readonly string[];
  readonly delay?: string;
  readonly maxPackageSize?: number;
}

export interface ListFlags extends TargetFlags {
  readonly sort?: 'created_at' | 'updated_at' | 'title' | 'url' | 'enabled';
  readonly order?: 'ASC' | 'DESC';
  readonly limit?: number;
}

export async function listWebhooks(flags: ListFlags, context: Context): Promise<ExitCode> {
  const { target, client } = await connect(flags, context);
  const { sort, order, limit = Number.POSITIVE_INFINITY } = flags;
  const found: Webhook[] = [];
  await calling(target, async () => {
    const options = { ...(sort ? { sort } : {}), ...(order ? { order } : {}), limit: Math.min(limit, 1_000) };
    if (limit === 0) return;
    for await (const webhook of client.webhooks.iterate(options, context)) {
      found.push(webhook);
      if (found.length >= limit) break;
    }
  });
  const { output } = context;
  if (flags.json) output.line(JSON.stringify(found));
  else if (found.length === 0) {
    output.note('No webhooks. Create one: bellhop webhooks create --title … --url …, or just: bellhop listen');
  } else {
    await printTable(
      output,
      ['ID', 'ENABLED', 'TYPE', 'TITLE', 'URL'],
      found.map(({ id, enabled, type, title, url }) => [
        id,
        enabled ? 'yes' : 'no',
        type.join(','),
        printable(title),
        printable(url),
      ]),
    );
  }
  return exitCodes.ok;
}

export async function getWebhook(which: string, flags: TargetFlags, context: Context): Promise<ExitCode> {
  const { target, client } = await connect(flags, context);
  const webhook = await calling(target, () => findWebhook(client, which, context.signal));
  show(webhook, flags, context);
  return exitCodes.ok;
}

export async function createWebhook(
  flags: FieldFlags & { readonly title: string; readonly url: string; readonly enable?: boolean },
  context: Context,
): Promise<ExitCode> {
  const connection = await connect(flags, context);
  const { target, client } = connection;
  const body: NewWebhook = { title: flags.title, url: flags.url, ...changesOf(flags) };
  const code = `await client.webhooks.create(${JSON.stringify(body)})`;
  await beforeChange(
    { what: `Create webhook ${flags.title}`, method: 'POST', path: '/webhooks', body, code },
    target,
    flags,
    context,
  );
  const webhook = await calling(target, async () => {
    const created = await client.webhooks.create(body, context);
    return flags.enable ? client.webhooks.enable(created.id, context) : created;
  });
  show(webhook, flags, context);
  if (!webhook.enabled && !flags.json) context.output.note(`Next: bellhop webhooks enable ${webhook.id}`);
  return exitCodes.ok;
}

export async function updateWebhook(which: string, flags: FieldFlags, context: Context): Promise<ExitCode> {
  const changes: WebhookChanges = {
    ...(flags.title === undefined ? {} : { title: flags.title }),
    ...(flags.url === undefined ? {} : { url: flags.url }),
    ...changesOf(flags),
  };
  if (Object.keys(changes).length === 0) {
    throw usageError(
      'There is nothing to change.',
      'Name what: --title, --url, --type, --exclude-type, --delay or --max-package-size.',
    );
  }
  return change(which, changes, 'Change', flags, context);
}

export function setEnabled(enabled: boolean, which: string, flags: WriteFlags, context: Context): Promise<ExitCode> {
  return change(which, { enabled }, enabled ? 'Enable' : 'Disable', flags, context);
}

async function change(
  which: string,
  body: WebhookChanges,
  verb: string,
  flags: WriteFlags,
  context: Context,
): Promise<ExitCode> {
  const { target, client } = await connect(flags, context);
  const { id, title } = await calling(target, () => findWebhook(client, which, context.signal));
  const code = `await client.webhooks.update('${id}', ${JSON.stringify(body)})`;
  await beforeChange(
    { what: `${verb} webhook ${title}`, method: 'PATCH', path: `/webhooks/${id}`, body, code },
    target,
    flags,
    context,
  );
  show(await calling(target, () => client.webhooks.update(id, body, context)), flags, context);
  return exitCodes.ok;
}

export async function deleteWebhook(which: string, flags: WriteFlags, context: Context): Promise<ExitCode> {
  const { target, client } = await connect(flags, context);
  const { id, title } = await calling(target, () => findWebhook(client, which, context.signal));
  const code = `await client.webhooks.delete('${id}')`;
  const what = `Delete webhook ${title} and drop its queue`;
  await beforeChange({ what, method: 'DELETE', path: `/webhooks/${id}`, code }, target, flags, context);
  await calling(target, () => client.webhooks.delete(id, context));
  if (flags.json) context.output.line(JSON.stringify({ deleted: id }));
  else context.output.note(`${context.output.noteColors.green('✓')} deleted ${printable(title)} (${id})`);
  return exitCodes.ok;
}

export async function testWebhook(which: string, flags: WriteFlags, context: Context): Promise<ExitCode> {
  const connection = await connect(flags, context);
  const { target, client } = connection;
  const { output } = context;
  const { id, title } = await calling(target, () => findWebhook(client, which, context.signal));
  const code = `await client.webhooks.test('${id}')`;
  await beforeChange(
    { what: `Send a test event to ${title}`, method: 'POST', path: `/webhooks/${id}/test`, code },
    target,
    flags,
    context,
  );
  const before = await latestTest(connection, id);
  const result = await calling(target, () => client.webhooks.test(id, context));
  const outcome =
    result.delivery === undefined
      ? await testOutcome(connection, id, before, context)
      : {
          ok: result.delivery.response.status >= 200 && result.delivery.response.status < 300,
          status: result.delivery.response.status,
          reason: undefined,
          duration_ms: undefined,
        };
  if (flags.json) output.line(JSON.stringify({ webhook_id: id, accepted: true, outcome: outcome ?? null }));
  else if (outcome === undefined)
    output.note(`accepted (${result.status}); this API does not tell how your handler answered: look there`);
  else if (outcome.ok)
    output.line(`${output.colors.green('✓')} your handler answered ${outcome.status}${took(outcome)}`);
  else
    output.line(
      `${output.colors.red('✗')} ${outcome.status === undefined ? `no answer: ${outcome.reason}` : `your handler answered ${outcome.status} (${outcome.reason ?? 'not 2xx'})`}${took(outcome)}`,
    );
  return outcome === undefined || outcome.ok ? exitCodes.ok : exitCodes.failed;
}

interface Outcome {
  readonly ok: boolean;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly duration_ms: number | undefined;
}

function took({ duration_ms: ms }: Outcome): string {
  return ms === undefined ? '' : ` after ${shortDuration(ms)}`;
}

async function latestTest({ operator }: Connection, id: string): Promise<string | undefined> {
  if (operator === undefined) return undefined;
  const page = await operator.call('GET', '/operator/attempts', { query: { webhook_id: id, kind: 'test', limit: 1 } });
  return textOf(recordsOf(page['data'])[0]?.['id']);
}

/** Undefined where nobody can tell, or when it takes too long. */
async function testOutcome(
  { operator }: Connection,
  id: string,
  before: string | undefined,
  context: Context,
): Promise<Outcome | undefined> {
  if (operator === undefined) return undefined;
  return waitFor(
    async () => {
      const page = await operator.call('GET', '/operator/attempts', {
        query: { webhook_id: id, kind: 'test', limit: 1 },
      });
      const [attempt] = recordsOf(page['data']);
      if (attempt === undefined || attempt['id'] === before) return undefined;
      return {
        ok: attempt['ok'] === true,
        status: typeof attempt['status'] === 'number' ? attempt['status'] : undefined,
        reason: textOf(attempt['reason']),
        duration_ms: Number(attempt['duration_ms']),
      };
    },
    { everyMs: 150, limitMs: 15_000, signal: context.signal },
  );
}

export async function webhookStatus(
  which: string | undefined,
  flags: TargetFlags & { readonly watch?: boolean; readonly interval?: string },
  context: Context,
): Promise<ExitCode> {
  const everyMs = durationMsOf('--interval', flags.interval ?? '2s');
  const connection = await connect(flags, context);
  const { target, client } = connection;
  const id =
    which === undefined ? undefined : (await calling(target, () => findWebhook(client, which, context.signal))).id;
  const operator = connection.operator ?? (await connectOperator(flags, context)).operator;
  let shown = '';
  for (;;) {
    const rows =
      id === undefined
        ? await operator.list('/operator/webhooks', { client_id: target.clientId }, 1_000)
        : [await operator.call('GET', `/operator/webhooks/${id}`)];
    shown = await showStatus(rows, shown, flags, context);
    if (!flags.watch || (await pause(everyMs, context.signal)) === 'aborted') return exitCodes.ok;
  }
}

async function showStatus(
  rows: readonly Fields[],
  before: string,
  flags: TargetFlags & { readonly watch?: boolean },
  { output }: Context,
): Promise<string> {
  if (flags.json) {
    const text = flags.watch
      ? rows.map((row) => JSON.stringify({ kind: 'webhook', ...row })).join('\n')
      : JSON.stringify(rows);
    if (text !== before) output.line(text);
    return text;
  }
  if (rows.length === 0 && before === '')
    output.note('No webhooks. Create one: bellhop webhooks create, or just: bellhop listen');
  const head = ['ID', 'STATE', 'QUEUE', 'OLDEST', 'WHY', 'TITLE'];
  const lines = await tableLines(
    output,
    head,
    rows.map((row) => statusCells(row, output)),
  );
  const text = lines.join('\n');
  // The age of the oldest event changes all the time; only that is no news.
  const news = rows.map((row) => JSON.stringify([row['id'], row['state'], row['lag'], row['attempts']])).join('\n');
  if (news === before) return before;
  if (flags.watch && before !== '') output.line(output.colors.dim(new Date().toLocaleTimeString('en-GB')));
  output.line(text);
  return news;
}

function statusCells(row: Fields, output: Context['output']): readonly (string | number)[] {
  const lag = isRecord(row['lag']) ? row['lag'] : {};
  const state = String(row['state']);
  const { green, red, yellow, dim } = output.colors;
  const color = { flowing: green, retrying: red, disabled: dim }[state] ?? yellow;
  const next = textOf(row['next_attempt_at']);
  const reason = textOf(row['reason']);
  const why =
    reason === undefined
      ? ''
      : `${reason}, attempt ${Number(row['attempts']) + 1}${next === undefined ? '' : ` at ${new Date(next).toLocaleTimeString('en-GB')}`}`;
  const events = Number(lag['events'] ?? 0);
  return [
    String(row['id']),
    color(state),
    `${events}${lag['at_least'] === true ? '+' : ''}`,
    events === 0 ? '' : shortDuration(Number(lag['seconds']) * 1_000),
    why,
    printable(row['title']),
  ];
}

function changesOf(flags: FieldFlags): WebhookChanges {
  const config = {
    ...(flags.delay === undefined ? {} : { delay: flags.delay }),
    ...(flags.maxPackageSize === undefined ? {} : { max_package_size: flags.maxPackageSize }),
  };
  const upper = (list: readonly string[]) => list.map((name) => name.toUpperCase());
  return {
    ...(flags.type === undefined ? {} : { type: upper(flags.type) }),
    ...(flags.excludeType === undefined ? {} : { exclude_type: upper(flags.excludeType) }),
    ...(Object.keys(config).length === 0 ? {} : { config }),
  };
}

function show(webhook: Webhook, flags: TargetFlags, { output }: Context): void {
  if (flags.json) {
    output.line(JSON.stringify(webhook));
    return;
  }
  printFacts(output, [
    ['id', webhook.id],
    ['title', printable(webhook.title)],
    ['url', printable(webhook.url)],
    ['enabled', webhook.enabled ? output.colors.green('yes') : output.colors.yellow('no')],
    ['type', webhook.type.join(', ')],
    ['exclude_type', webhook.exclude_type?.join(', ')],
    ['delay', webhook.config.delay],
    ['max_package_size', webhook.config.max_package_size],
    ['created_at', webhook.created_at],
    ['updated_at', webhook.updated_at],
  ]);
}
