// `bellhop events`: the operator's view of the log. Publish from a file, search, follow, look at one, send again.

import { connectOperator } from '../connect.ts';
import { instantOf, shortDuration } from '../duration.ts';
import { eventsOfFile } from '../event-texts.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { readInput } from '../input.ts';
import { type Fields, recordsOf, textOf } from '../json.ts';
import type { Operator } from '../operator.ts';
import type { TargetFlags } from '../profiles/target.ts';
import { publishBody, publishTexts } from '../publish.ts';
import { printable, printFacts, printTable } from '../table.ts';
import { pause } from '../wait.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

const batchEvents = 1_000;
/** A call takes 8 MiB; a single event is never larger than that. */
const batchBytes = 4 * 1024 * 1024;
const pollMs = 500;
/** Partitions commit independently: an event may become visible a little after a younger one. */
const overlapMs = 3_000;

export interface PublishFlags extends WriteFlags {
  readonly clientId?: string;
  readonly validate?: boolean;
}

export async function publishEvents(file: string, flags: PublishFlags, context: Context): Promise<ExitCode> {
  const events = eventsOfFile(await readInput(file, context));
  const { target, operator } = await connectOperator(flags, context);
  const clientId = flags.clientId ?? target.clientId;
  const what = `Publish ${events.length} events`;
  const text = publishBody(clientId, events);
  await beforeChange({ what, method: 'POST', path: '/operator/events', text }, target, flags, context);
  let [accepted, duplicates, sent] = [0, 0, 0];
  for (const batch of batchesOf(events)) {
    try {
      const done = await publishTexts(operator, clientId, batch, { validate: flags.validate === true });
      accepted += done.accepted;
      duplicates += done.duplicates;
      sent += batch.length;
      if (sent < events.length && context.output.interactive) context.output.live(` ${sent} of ${events.length}`);
    } catch (error) {
      if (!(error instanceof CliError) || sent === 0) throw error;
      const hint = `${sent} events before were published; with ids it is safe to publish the file again.`;
      throw new CliError(error.exitCode, error.message, hint, { cause: error });
    }
  }
  context.output.live(undefined);
  if (flags.json) context.output.line(JSON.stringify({ accepted, duplicates }));
  else
    context.output.line(
      `${context.output.colors.green('✓')} published ${accepted} event${accepted === 1 ? '' : 's'}${duplicates > 0 ? `, ${duplicates} were known already` : ''}`,
    );
  return exitCodes.ok;
}

function* batchesOf(events: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = Buffer.byteLength(event);
    if (batch.length === batchEvents || (batch.length > 0 && bytes + size > batchBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size;
  }
  yield batch;
}

export interface SearchFlags extends TargetFlags {
  readonly type?: string;
  readonly since?: string;
  readonly limit?: number;
  readonly allTenants?: boolean;
}

export async function listEvents(flags: SearchFlags, context: Context): Promise<ExitCode> {
  const { target, operator } = await connectOperator(flags, context);
  const query = {
    type: flags.type?.toUpperCase(),
    since: flags.since === undefined ? undefined : instantOf('--since', flags.since, Date.now()),
    client_id: flags.allTenants ? undefined : target.clientId,
  };
  const found = await operator.list('/operator/events', query, flags.limit ?? 50);
  if (flags.json) context.output.line(JSON.stringify(found));
  else if (found.length === 0) context.output.note('No events. Publish one: bellhop trigger ORDER.FILLED');
  else {
    await printTable(
      context.output,
      ['ID', 'APPENDED', 'TYPE', 'BYTES'],
      found.map((event) => [
        textOf(event['id']),
        localTime(event['appended_at']),
        printable(event['type']),
        Number(event['bytes']),
      ]),
    );
  }
  return exitCodes.ok;
}

export async function getEvent(id: string, flags: TargetFlags, context: Context): Promise<ExitCode> {
  const { target, operator } = await connectOperator(flags, context);
  const { output } = context;
  const path = `/operator/events/${encodeURIComponent(id)}`;
  const query = { client_id: target.clientId };
  if (flags.json) {
    // As it came: the object's numbers stay as they were written.
    output.line((await operator.text('GET', path, { query })).replaceAll(/[\r\n]+/g, ' '));
    return exitCodes.ok;
  }
  const event = await operator.call('GET', path, { query });
  printFacts(
    output,
    ['id', 'type', 'created_at', 'appended_at'].map((name) => [name, printable(event[name])] as const),
  );
  output.line(JSON.stringify(event['object'], null, 2));
  const ways = recordsOf(event['webhooks']);
  if (ways.length === 0) output.note('No webhook of this tenant.');
  else {
    await printTable(
      output,
      ['WEBHOOK', 'STATE', 'DELIVERED', 'ATTEMPTS', 'TITLE'],
      ways.map((way) => [
        textOf(way['webhook_id']),
        printable(way['state']),
        localTime(way['delivered_at']),
        recordsOf(way['attempts']).length,
        printable(way['title']),
      ]),
    );
  }
  return exitCodes.ok;
}

export async function tailEvents(flags: SearchFlags, context: Context): Promise<ExitCode> {
  const { target, operator } = await connectOperator(flags, context);
  const { output, signal } = context;
  let sinceMs = Date.parse(
    flags.since === undefined ? new Date().toISOString() : instantOf('--since', flags.since, Date.now()),
  );
  const startMs = sinceMs;
  const seen = new Map<string, number>();
  let shown = 0;
  const query = { type: flags.type?.toUpperCase(), client_id: flags.allTenants ? undefined : target.clientId };
  const limit = flags.limit ?? Number.POSITIVE_INFINITY;
  await operator.list('/operator/events', { ...query, since: new Date(sinceMs).toISOString() }, 1);
  if (!flags.json) output.note(`following ${target.operatorUrl} (Ctrl-C stops)`);
  while (!signal.aborted && shown < limit) {
    const from = Math.max(startMs, sinceMs - overlapMs);
    const found = await untilStopped(operator, { ...query, since: new Date(from).toISOString() }, signal);
    for (const event of [...found].reverse()) {
      const key = `${String(event['client_id'])} ${String(event['id'])}`;
      const atMs = Date.parse(String(event['appended_at']));
      sinceMs = Math.max(sinceMs, atMs);
      if (seen.has(key) || shown >= limit) continue;
      seen.set(key, atMs);
      shown += 1;
      showTailed(event, flags, context);
    }
    for (const [key, atMs] of seen) if (atMs < sinceMs - 2 * overlapMs) seen.delete(key);
    if (shown < limit) await pause(pollMs, signal);
  }
  return exitCodes.ok;
}

async function untilStopped(
  operator: Operator,
  query: Record<string, string | undefined>,
  signal: AbortSignal,
): Promise<readonly Fields[]> {
  try {
    return await operator.list('/operator/events', query, 100_000);
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  }
}

function showTailed(event: Fields, flags: SearchFlags, { output }: Context): void {
  if (flags.json) output.line(JSON.stringify({ kind: 'event', ...event }));
  else
    output.line(
      `${output.colors.dim(localTime(event['appended_at']))}  ${printable(event['type']).padEnd(32)} ${String(event['id'])}  ${Number(event['bytes'])} B`,
    );
}

export interface ReplayFlags extends WriteFlags {
  readonly since?: string;
  readonly event?: string;
  readonly dryRun?: boolean;
}

export async function replayEvents(which: string, flags: ReplayFlags, context: Context): Promise<ExitCode> {
  if ((flags.since === undefined) === (flags.event === undefined)) {
    throw usageError(
      'From where? Give one of --since and --event.',
      'Such as: bellhop events replay Orders --since 1h',
    );
  }
  const { target, operator } = await connectOperator(flags, context);
  const webhook = await findOperatorWebhook(operator, which);
  const since =
    flags.since === undefined || flags.since === 'now' ? flags.since : instantOf('--since', flags.since, Date.now());
  const body = {
    ...(since === undefined ? {} : { since }),
    ...(flags.event === undefined ? {} : { event_id: flags.event }),
  };
  const path = `/operator/webhooks/${String(webhook['id'])}/replay`;
  const title = printable(webhook['title']);
  if (!flags.dryRun)
    await beforeChange({ what: `Send events again to ${title}`, method: 'POST', path, body }, target, flags, context);
  const moved = await operator.call('POST', path, { body: { ...body, dry_run: flags.dryRun === true } });
  const events = Number(moved['events']);
  if (flags.json) context.output.line(JSON.stringify(moved));
  else
    context.output.line(
      flags.dryRun
        ? `would send ${events} events to ${title}`
        : `${context.output.colors.green('✓')} sending ${events} events to ${title}`,
    );
  return exitCodes.ok;
}

async function findOperatorWebhook(operator: Operator, which: string): Promise<Fields> {
  const all = await operator.list('/operator/webhooks', {}, 100_000);
  const fitting = all.filter(
    ({ id, title }) => title === which || (which.length >= 4 && String(id).startsWith(which.toLowerCase())),
  );
  const [found, another] = fitting;
  if (found === undefined)
    throw new CliError(exitCodes.failed, `There is no webhook ${which}.`, 'Which there are: bellhop webhooks status');
  if (another !== undefined) throw usageError(`${which} fits ${fitting.length} webhooks.`, 'Give the id.');
  return found;
}

function localTime(value: unknown): string {
  if (typeof value !== 'string') return '';
  const at = new Date(value);
  const isToday = Date.now() - at.getTime() < 86_400_000;
  return isToday
    ? at.toLocaleTimeString('en-GB')
    : `${at.toLocaleDateString('en-GB')}, ${shortDuration(Date.now() - at.getTime())} ago`;
}
