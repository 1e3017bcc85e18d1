// Declares the commands that make and show events: `trigger` and `events`.

import { collect, type Declare, examples, withTarget, withWrite } from './declare.ts';
import { count } from './webhooks.ts';

export const declareEvents: Declare = (root, run) => {
  const trigger = withWrite(
    root
      .command('trigger')
      .argument('[type]', 'such as ORDER.FILLED')
      .description('make events of any type, with any field set, and publish them'),
  )
    .option('-s, --set <path=value>', 'set a field of the object; text, or JSON where the schema wants it', collect)
    .option('--set-json <path=json>', 'set a field to a JSON value', collect)
    .option('--unset <path>', 'leave a field out', collect)
    .option('-n, --count <count>', 'so many events', count)
    .option('--rate <count>', 'so many a second', count)
    .option('--same-key', 'all of them about one object: they must arrive in order')
    .option('--object-id <uuid>', 'the object they are about')
    .option('--unknown', 'also a type that the catalogue does not know')
    .option('--scenario <file>', 'a YAML file with steps; - reads stdin')
    .option('--client-id <uuid>', 'for another tenant')
    .option('--dry-run', 'print the events, publish nothing; needs no service')
    .option('--list', 'every type')
    .option('--fields', 'every field that can be set');
  examples(trigger, [
    ['bellhop trigger ORDER.FILLED'],
    ['bellhop trigger ORDER.FILLED --set status=FILLED --count 50 --same-key'],
    ['bellhop trigger USER.CREATED --dry-run', 'see the event, send nothing'],
    ['bellhop trigger ORDER.FILLED --fields', 'what --set can set'],
    ['bellhop trigger POSITION.UPDATED --count 10000 --rate 1000', 'load'],
    ['bellhop trigger --scenario order-lifecycle.yaml'],
  ]);
  trigger.addHelpText(
    'after',
    `
A scenario:
  steps:
    - { type: ORDER.NEW, as: order }
    - delay: 500ms
    - { type: EXECUTION.FILLED, set: { order_id: "\${order.object.id}" } }
    - { type: ORDER.FILLED, about: order, fault: duplicate }     # or swap, unknown-type, large`,
  );
  trigger.action(
    run(async (context, type, flags) => (await import('../commands/trigger.ts')).trigger(type, flags, context)),
  );

  const load = () => import('../commands/events.ts');
  const events = root
    .command('events')
    .alias('event')
    .description('the log, for operators: publish, search, follow, send again');
  examples(events, [
    ['bellhop events publish events.ndjson'],
    ['bellhop events tail --type ORDER'],
    ['bellhop events get <id>', 'one event, and its way to each webhook'],
    ['bellhop events replay Orders --since 1h --dry-run'],
  ]);
  withWrite(
    events
      .command('publish')
      .argument('[file]', 'JSON or one event a line; - reads stdin', '-')
      .description('publish events'),
  )
    .option('--client-id <uuid>', 'for another tenant')
    .option('--validate', 'refuse what breaks the schema of its type')
    .action(run(async (context, file, flags) => (await load()).publishEvents(file, flags, context)));
  withTarget(events.command('list').alias('ls').description('the latest events'))
    .option('--type <type>', 'a type or a category')
    .option('--since <when>', 'such as 1h, or a time')
    .option('--limit <count>', 'at most so many', count, 50)
    .option('--all-tenants', 'not only yours')
    .action(run(async (context, flags) => (await load()).listEvents(flags, context)));
  withTarget(events.command('get').argument('<id>').description('one event, and its way to each webhook')).action(
    run(async (context, id, flags) => (await load()).getEvent(id, flags, context)),
  );
  withTarget(events.command('tail').description('follow what is published'))
    .option('--type <type>', 'a type or a category')
    .option('--since <when>', 'begin earlier: such as 10m')
    .option('--limit <count>', 'stop after so many', count)
    .option('--all-tenants', 'not only yours')
    .action(run(async (context, flags) => (await load()).tailEvents(flags, context)));
  withWrite(
    events
      .command('replay')
      .argument('<webhook>', 'id, its beginning, or title')
      .description('send events again, from a point on'),
  )
    .option('--since <when>', 'such as 1h, or a time; now skips what waits')
    .option('--event <id>', 'from this event on')
    .option('--dry-run', 'only count')
    .action(run(async (context, which, flags) => (await load()).replayEvents(which, flags, context)));
};
