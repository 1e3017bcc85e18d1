// Declares `inbox`: what a handler has received, in its own database.

import type { InboxState } from '@bellhop/handler';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { collectList, type Declare, examples } from './declare.ts';

const stateNames: readonly InboxState[] = ['waiting', 'running', 'retrying', 'parked', 'done', 'ignored', 'skipped'];

export const declareInbox: Declare = (root, run) => {
  const load = () => import('../commands/inbox.ts');
  const inbox = root
    .command('inbox')
    .description('the inbox of your handler: what waits, what is blocked and why; retry, skip, replay')
    .addHelpText(
      'after',
      `
Which inbox:
  --database-url postgres://user@host/db   or BELLHOP_INBOX_DATABASE_URL, the place for a password (or PGPASSWORD)
  --file inbox.sqlite                      or BELLHOP_INBOX_FILE`,
    );
  examples(inbox, [
    ['bellhop inbox stats --file inbox.sqlite'],
    ['bellhop inbox blocked', 'which keys are blocked, by what, and how many events wait'],
    ['bellhop inbox list --state parked --type ORDER'],
    ['bellhop inbox retry --type ORDER', 'failed events now, dead letters again'],
    ['bellhop inbox replay --since 1h --dry-run', 'only count'],
  ]);

  withInbox(inbox.command('stats').description('how many events wait, run, failed or were given up')).action(
    run(async (context, flags) => (await load()).inboxStats(flags, context)),
  );
  withInbox(inbox.command('blocked').description('the keys that are blocked, longest first'))
    .option('--limit <count>', 'at most so many', pageSize, 100)
    .action(run(async (context, flags) => (await load()).blockedKeys(flags, context)));
  withFilter(withInbox(inbox.command('list').alias('ls').description('events, in the order of storing')))
    .addOption(
      new Option('--state <state>', 'in one of these states: done,skipped')
        .choices(stateNames)
        .argParser(collectStates),
    )
    .option('--limit <count>', 'at most so many', pageSize, 50)
    .option('--after <position>', 'the next page, as the page before says')
    .action(run(async (context, flags) => (await load()).listInbox(flags, context)));
  withInbox(inbox.command('show').alias('get').argument('<id>').description('one event, and how it went')).action(
    run(async (context, id, flags) => (await load()).showInboxEvent(id, flags, context)),
  );

  const retry = withFilter(
    withInbox(
      inbox.command('retry').argument('[ids...]').description('run failed events now, open dead letters again'),
    ),
  )
    .option('--all', 'all of them')
    .option('--dry-run', 'only count')
    .option('-y, --yes', 'for scripts that give it to every change: retry does not ask');
  examples(retry, [
    ['bellhop inbox retry <id>'],
    ['bellhop inbox retry --key 120c5382'],
    ['bellhop inbox retry --all'],
  ]);
  retry.action(run(async (context, ids, flags) => (await load()).retryInbox(ids, flags, context)));

  withYes(withInbox(inbox.command('skip').argument('<id>').description('give an event up for good')))
    .requiredOption('--reason <text>', 'why; it is kept with the event')
    .action(run(async (context, id, flags) => (await load()).skipInboxEvent(id, flags, context)));

  const replay = withYes(
    withFilter(withInbox(inbox.command('replay').argument('[ids...]').description('process what is done once more'))),
  ).option('--dry-run', 'only count');
  examples(replay, [
    ['bellhop inbox replay --type ORDER.FILLED --since 1h --dry-run', 'only count'],
    ['bellhop inbox replay --since 2026-05-01T12:00:00Z --until 2026-05-01T13:00:00Z --yes'],
  ]);
  replay.action(run(async (context, ids, flags) => (await load()).replayInbox(ids, flags, context)));

  withYes(withInbox(inbox.command('purge').description('forget done events before their time is over')))
    .requiredOption('--done-before <when>', 'such as 30d, or a time')
    .option('--dry-run', 'only count')
    .action(run(async (context, flags) => (await load()).purgeInbox(flags, context)));
};

function withInbox(command: Command): Command {
  return command
    .option('--database-url <url>', 'a PostgreSQL database (env BELLHOP_INBOX_DATABASE_URL)')
    .option('--table <name>', 'its table, if not bellhop_inbox')
    .option('--file <file>', 'a SQLite file (env BELLHOP_INBOX_FILE)')
    .option('--json', 'JSON for scripts, also for errors');
}

function withFilter(command: Command): Command {
  return command
    .option('--type <type>', 'a type or a category')
    .option('--key <key>', 'of one key')
    .option('--since <when>', 'received since: such as 1h, or a time')
    .option('--until <when>', 'received before');
}

/** `--state done,skipped` and `--state done --state skipped`. */
function collectStates(value: string, before: readonly InboxState[] | undefined): readonly InboxState[] {
  const names = collectList(value, undefined);
  const states = stateNames.filter((name) => names.includes(name));
  const wrong = names.find((name) => !stateNames.some((known) => known === name));
  if (wrong !== undefined || states.length === 0) {
    throw new InvalidArgumentError(`There is no state '${wrong ?? ''}'. Allowed choices are ${stateNames.join(', ')}.`);
  }
  return [...(before ?? []), ...states];
}

function withYes(command: Command): Command {
  return command.option('-y, --yes', 'do not ask');
}

function pageSize(text: string): number {
  const size = Number(text);
  if (!/^\d{1,5}$/.test(text) || size < 1 || size > 10_000) throw new InvalidArgumentError('It must be 1 to 10000.');
  return size;
}
