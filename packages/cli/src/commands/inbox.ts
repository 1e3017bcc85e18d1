// `bellhop inbox …`: the admin API of the handler package over an integrator's own inbox. What cannot be taken back, and what
// runs listeners once more, counts first and asks. `retry` does not: what failed or was parked has never been done.

import type { InboxAdmin, InboxFilter, InboxItem, InboxState } from '@bellhop/handler';
import { askYes, canAsk } from '../ask.ts';
import { instantOf, shortDuration } from '../duration.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { type InboxFlags, withOpenInbox } from '../inbox/open-inbox.ts';
import { printable, printFacts, printTable } from '../table.ts';
import type { Context } from './context.ts';

interface FilterFlags extends InboxFlags {
  readonly type?: string;
  readonly key?: string;
  readonly since?: string;
  readonly until?: string;
}

interface ChangeFlags extends FilterFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function inboxStats(flags: InboxFlags, { output, env }: Context): Promise<ExitCode> {
  return withOpenInbox(flags, env, async (inbox) => {
    const { waiting, running, retrying, parked, blockedKeys, oldestMs } = await inbox.stats();
    if (flags.json) {
      const facts = { waiting, running, retrying, parked, blocked_keys: blockedKeys, oldest_ms: oldestMs };
      output.line(JSON.stringify(facts));
    } else {
      printFacts(output, [
        ['waiting', waiting],
        ['running', running],
        ['retrying', retrying],
        ['parked', parked],
        ['blocked keys', blockedKeys],
        ['oldest', oldestMs === 0 ? undefined : shortDuration(oldestMs)],
      ]);
      if (blockedKeys > 0) output.note('Which: bellhop inbox blocked');
    }
    return exitCodes.ok;
  });
}

export function blockedKeys(flags: InboxFlags & { readonly limit: number }, context: Context): Promise<ExitCode> {
  const { output, env } = context;
  return withOpenInbox(flags, env, async (inbox) => {
    const found = await inbox.blockedKeys({ limit: flags.limit });
    if (flags.json) {
      const rows = found.map(({ blockedSince, retryAt, ...rest }) => ({
        ...rest,
        blocked_since: blockedSince,
        retry_at: retryAt,
      }));
      output.line(JSON.stringify(rows));
    } else if (found.length === 0) output.note('No key is blocked.');
    else {
      await printTable(
        output,
        ['KEY', 'BLOCKED FOR', 'WAITING', 'ATTEMPTS', 'NEXT TRY', 'TYPE', 'ID', 'ERROR'],
        found.map(({ key, blockedSince, waiting, attempts, retryAt, type, id, note }) => [
          printable(key),
          sinceText(blockedSince),
          waiting,
          attempts,
          untilText(retryAt),
          printable(type),
          printable(id),
          printable(note),
        ]),
      );
    }
    return exitCodes.ok;
  });
}

export interface ListInboxFlags extends FilterFlags {
  readonly state?: readonly InboxState[];
  readonly limit: number;
  readonly after?: string;
}

export function listInbox(flags: ListInboxFlags, { output, env }: Context): Promise<ExitCode> {
  const { state, limit, after } = flags;
  if (after !== undefined && !/^\d{1,15}$/.test(after)) throw usageError('--after is what the page before said.');
  const options = {
    ...filterOf([], flags),
    limit,
    ...(state === undefined ? {} : { states: state }),
    ...(after === undefined ? {} : { after }),
  };
  return withOpenInbox(flags, env, async (inbox) => {
    const page = await inbox.list(options);
    if (flags.json) output.line(JSON.stringify({ ...page, items: page.items.map(jsonOf) }));
    else if (page.items.length === 0) output.note('No events.');
    else {
      await printTable(
        output,
        ['ID', 'AGE', 'STATE', 'ATTEMPTS', 'TYPE', 'KEY', 'NOTE'],
        page.items.map(({ event, receivedAt, state, attempts, key, note }) => [
          printable(event.id),
          sinceText(receivedAt),
          state,
          attempts,
          printable(event.type),
          printable(key),
          printable(note),
        ]),
      );
      if (page.after !== undefined) output.note(`There are more: --after ${page.after}`);
    }
    return exitCodes.ok;
  });
}

export function showInboxEvent(id: string, flags: InboxFlags, { output, env }: Context): Promise<ExitCode> {
  return withOpenInbox(flags, env, async (inbox) => {
    const item = await itemOf(inbox, id);
    if (flags.json) output.line(JSON.stringify(jsonOf(item)));
    else {
      const { event, state, key, receivedAt, attempts, retryAt, note } = item;
      printFacts(output, [
        ['id', printable(event.id)],
        ['type', printable(event.type)],
        ['state', state],
        ['key', printable(key)],
        ['created_at', printable(event.created_at)],
        ['received_at', receivedAt.toISOString()],
        ['attempts', attempts],
        ['retry_at', retryAt?.toISOString()],
        ['note', printable(note)],
        ['webhook_id', printable(event.webhook_id)],
      ]);
      for (const line of JSON.stringify(event.object, null, 2).split('\n')) output.line(printable(line));
    }
    return exitCodes.ok;
  });
}

export function retryInbox(
  ids: readonly string[],
  flags: ChangeFlags & { readonly all?: boolean },
  context: Context,
): Promise<ExitCode> {
  const filter = filterOf(ids, flags);
  if ((Object.keys(filter).length === 0) !== (flags.all === true)) {
    throw usageError('Which? Give ids, --type, --key, --since or --until, or else --all.');
  }
  return withOpenInbox(flags, context.env, async (inbox) => {
    const { count } = await inbox.retry(filter, { dryRun: flags.dryRun === true });
    if (count === 0 && ids.length > 0) throw nothingFits('failed or parked');
    report(count, ['retrying', 'would retry'], flags, context);
    return exitCodes.ok;
  });
}

export function replayInbox(ids: readonly string[], flags: ChangeFlags, context: Context): Promise<ExitCode> {
  const filter = filterOf(ids, flags);
  if (Object.keys(filter).length === 0) {
    throw usageError('Which? Give ids, --type, --key, --since or --until.', 'Such as: bellhop inbox replay --since 1h');
  }
  return withOpenInbox(flags, context.env, async (inbox) => {
    let { count } = await inbox.replay(filter, { dryRun: true });
    if (count === 0 && ids.length > 0) throw nothingFits('done');
    if (!flags.dryRun && count > 0) {
      await confirm(`Process ${counted(count)} once more`, flags, context);
      ({ count } = await inbox.replay(filter));
    }
    report(count, ['replaying', 'would replay'], flags, context);
    return exitCodes.ok;
  });
}

export function purgeInbox(flags: ChangeFlags & { readonly doneBefore: string }, context: Context): Promise<ExitCode> {
  const filter = { doneBefore: new Date(instantOf('--done-before', flags.doneBefore, Date.now())) };
  return withOpenInbox(flags, context.env, async (inbox) => {
    let { count } = await inbox.purge(filter, { dryRun: true });
    if (!flags.dryRun && count > 0) {
      await confirm(`Forget ${counted(count)}; one that is sent again is then new`, flags, context);
      ({ count } = await inbox.purge(filter));
    }
    report(count, ['forgot', 'would forget'], flags, context);
    return exitCodes.ok;
  });
}

export function skipInboxEvent(
  id: string,
  flags: InboxFlags & { readonly reason: string; readonly yes?: boolean },
  context: Context,
): Promise<ExitCode> {
  const { output, env } = context;
  if (flags.reason.trim() === '') throw usageError('--reason must say why.');
  return withOpenInbox(flags, env, async (inbox) => {
    const { event, state } = await itemOf(inbox, id);
    if (state === 'waiting' || state === 'retrying' || state === 'parked') {
      await confirm(`Give up ${printable(event.type)} ${printable(id)} (${state}) for good`, flags, context);
    }
    if (!(await inbox.skip(id, flags.reason))) {
      const hint = 'Only what waits, failed or is parked can be skipped.';
      throw new CliError(exitCodes.failed, `The event is ${(await itemOf(inbox, id)).state}.`, hint);
    }
    if (flags.json) output.line(JSON.stringify({ skipped: id }));
    else output.line(`${output.colors.green('✓')} skipped ${printable(event.type)} ${printable(id)}`);
    return exitCodes.ok;
  });
}

function filterOf(ids: readonly string[], { type, key, since, until }: FilterFlags): InboxFilter {
  const nowMs = Date.now();
  return {
    ...(ids.length === 0 ? {} : { ids }),
    ...(type === undefined ? {} : { type: type.includes('.') ? type : `${type}.*` }),
    ...(key === undefined ? {} : { key }),
    ...(since === undefined ? {} : { since: new Date(instantOf('--since', since, nowMs)) }),
    ...(until === undefined ? {} : { until: new Date(instantOf('--until', until, nowMs)) }),
  };
}

async function itemOf(inbox: InboxAdmin, id: string): Promise<InboxItem> {
  const [item] = (await inbox.list({ ids: [id] })).items;
  if (item !== undefined) return item;
  throw new CliError(exitCodes.failed, `There is no event ${id} in this inbox.`, 'Which there are: bellhop inbox list');
}

function nothingFits(state: string): CliError {
  const hint = 'How they are: bellhop inbox show <id>';
  return new CliError(exitCodes.failed, `None of these events is known and ${state}.`, hint);
}

async function confirm(what: string, { yes }: { readonly yes?: boolean }, { env }: Context): Promise<void> {
  if (yes) return;
  if (!canAsk(env)) {
    throw new CliError(
      exitCodes.declined,
      `${what}? That was not confirmed.`,
      'Add --yes to do it without being asked.',
    );
  }
  if (!(await askYes(`${what}?`))) throw new CliError(exitCodes.declined, 'Declined; nothing was changed.');
}

function report(
  count: number,
  [done, would]: readonly [string, string],
  flags: ChangeFlags,
  { output }: Context,
): void {
  if (flags.json) output.line(JSON.stringify({ count, dry_run: flags.dryRun === true }));
  else
    output.line(flags.dryRun ? `${would} ${counted(count)}` : `${output.colors.green('✓')} ${done} ${counted(count)}`);
}

function counted(count: number): string {
  return count === 1 ? '1 event' : `${count} events`;
}

function jsonOf({ event, key, state, receivedAt, attempts, note, retryAt }: InboxItem) {
  return { event, key, state, received_at: receivedAt, attempts, note, retry_at: retryAt };
}

function sinceText(at: Date): string {
  return shortDuration(Math.max(0, Date.now() - at.getTime()));
}

function untilText(at: Date): string {
  const ms = at.getTime() - Date.now();
  return ms <= 0 ? 'now' : `in ${shortDuration(ms)}`;
}
