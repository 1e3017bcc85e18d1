// `bellhop trigger`: makes events of any type offline and publishes them through the operator API: one, many, or a scenario.

import { categories, categoryOf, isEventType, type UndeliveredEvent } from '@bellhop/events';
import { objectSchema } from '@bellhop/events/schemas';
import { connectOperator } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { readInput } from '../input.ts';
import { inexactNumber } from '../json.ts';
import type { Operator } from '../operator.ts';
import type { Target } from '../profiles/target.ts';
import { publish, shownId } from '../publish.ts';
import { type Assignment, makeEvent, parseAssignment, schemaPaths } from '../trigger/make-event.ts';
import { readScenario, type ScenarioAct } from '../trigger/scenario.ts';
import { pause } from '../wait.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

export interface TriggerFlags extends WriteFlags {
  readonly set?: readonly string[];
  readonly setJson?: readonly string[];
  readonly unset?: readonly string[];
  readonly count?: number;
  readonly rate?: number;
  readonly sameKey?: boolean;
  readonly objectId?: string;
  readonly unknown?: boolean;
  readonly scenario?: string;
  readonly clientId?: string;
  readonly dryRun?: boolean;
  readonly list?: boolean;
  readonly fields?: boolean;
}

const maxCount = 1_000_000;
const batchSize = 500;

export async function trigger(type: string | undefined, flags: TriggerFlags, context: Context): Promise<ExitCode> {
  if (flags.list) return listTypes(flags, context);
  if (flags.scenario !== undefined) {
    if (type !== undefined) throw usageError('A scenario names its types itself.', 'Leave the type out.');
    return runScenario(flags.scenario, flags, context);
  }
  if (type === undefined)
    throw usageError('Which type?', 'Such as: bellhop trigger ORDER.FILLED. All of them: bellhop trigger --list');
  const wanted = type.toUpperCase();
  if (flags.fields) return listFields(wanted, context);
  const count = flags.count ?? 1;
  if (count < 1 || count > maxCount) throw usageError(`--count must be from 1 to ${maxCount}.`);
  if (flags.rate !== undefined && flags.rate < 1) throw usageError('--rate must be 1 or more, in events a second.');
  const set: readonly Assignment[] = [
    ...(flags.set ?? []).map((text) => {
      const { path, text: value } = parseAssignment('--set', text);
      return { path, to: { text: value } };
    }),
    ...(flags.setJson ?? []).map((text) => ({
      path: parseAssignment('--set-json', text).path,
      to: { value: jsonOf(text) },
    })),
    ...(flags.unset ?? []).map((path) => ({ path: path.replace(/^object\./, ''), to: { value: undefined } })),
  ];
  const { objectId, sameKey, unknown: allowUnknown } = flags;
  const areAboutOne = sameKey === true || objectId !== undefined;
  let before: readonly UndeliveredEvent[] = [];
  const next = (): UndeliveredEvent => {
    const event = makeEvent({ type: wanted, set, objectId, allowUnknown, after: before });
    if (areAboutOne) before = [event];
    return event;
  };
  const first = next();
  if (flags.dryRun) {
    for (let made = 0; made < count; made++) context.output.line(JSON.stringify(made === 0 ? first : next()));
    return exitCodes.ok;
  }

  const { target, operator } = await connectOperator(flags, context);
  await confirm(`Publish ${count} × ${wanted}`, [first], target, flags, context);
  let [accepted, duplicates] = [0, 0];
  const size = Math.min(batchSize, flags.rate === undefined ? batchSize : Math.max(1, Math.ceil(flags.rate / 10)));
  const startedMs = performance.now();
  for (let sent = 0; sent < count && !context.signal.aborted; ) {
    const events = Array.from({ length: Math.min(size, count - sent) }, (_, index) =>
      sent + index === 0 ? first : next(),
    );
    const done = await publish(operator, clientIdOf(target, flags), events);
    accepted += done.accepted;
    duplicates += done.duplicates;
    sent += events.length;
    if (count > size && context.output.interactive) context.output.live(` ${sent} of ${count}`);
    if (flags.rate !== undefined && sent < count) {
      await pause(Math.max(0, startedMs + (sent / flags.rate) * 1_000 - performance.now()), context.signal);
    }
  }
  context.output.live(undefined);
  report({ accepted, duplicates, type: wanted, event: first, count }, flags, context);
  return exitCodes.ok;
}

function report(
  {
    accepted,
    duplicates,
    type,
    event,
    count,
  }: { accepted: number; duplicates: number; type: string; event: UndeliveredEvent; count: number },
  flags: TriggerFlags,
  { output }: Context,
): void {
  if (flags.json) {
    output.line(JSON.stringify({ accepted, duplicates, type, first: event }));
    return;
  }
  const what =
    count === 1
      ? `${type}  event ${event.id}  object ${shownId(event)}`
      : `${accepted} × ${type}${flags.sameKey ? `  all about ${shownId(event)}` : ''}`;
  output.line(`${output.colors.green('✓')} published ${what}`);
  if (count === 1 && output.interactive) output.note(`its way: bellhop events get ${event.id}`);
}

async function runScenario(file: string, flags: TriggerFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const acts = readScenario(await readInput(file, context), file === '-' ? 'stdin' : file);
  if (flags.dryRun) {
    for (const act of acts)
      if (act.kind === 'publish') for (const event of act.events) output.line(JSON.stringify(event));
    return exitCodes.ok;
  }
  const { target, operator } = await connectOperator(flags, context);
  const events = acts.flatMap((act) => (act.kind === 'publish' ? act.events : []));
  await confirm(`Publish the ${events.length} events of ${file}`, events, target, flags, context);
  for (const act of acts) {
    if (context.signal.aborted) break;
    await perform(act, operator, clientIdOf(target, flags), flags, context);
  }
  return exitCodes.ok;
}

async function perform(
  act: ScenarioAct,
  operator: Operator,
  clientId: string,
  flags: TriggerFlags,
  context: Context,
): Promise<void> {
  const { output } = context;
  if (act.kind === 'pause') {
    await pause(act.ms, context.signal);
    return;
  }
  const { accepted, duplicates } = await publish(operator, clientId, act.events);
  const [event] = act.events;
  if (event === undefined) return;
  if (flags.json) {
    output.line(
      JSON.stringify({
        kind: 'published',
        accepted,
        duplicates,
        fault: act.fault ?? null,
        ids: act.events.map(({ id }) => id),
        type: event.type,
      }),
    );
    return;
  }
  const times = act.events.length === 1 ? '' : `${act.events.length} × `;
  const facts = [act.fault, duplicates > 0 ? `${duplicates} known already: stored once` : undefined]
    .filter(Boolean)
    .join(', ');
  output.line(
    `${output.colors.green('✓')} ${times}${event.type}  object ${shownId(event)}${facts === '' ? '' : `  (${facts})`}`,
  );
}

function confirm(
  what: string,
  events: readonly UndeliveredEvent[],
  target: Target,
  flags: TriggerFlags,
  context: Context,
): Promise<void> {
  const body = { client_id: clientIdOf(target, flags), events };
  return beforeChange({ what, method: 'POST', path: '/operator/events', body }, target, flags, context);
}

function clientIdOf(target: Target, flags: TriggerFlags): string {
  return flags.clientId ?? target.clientId;
}

function listTypes(flags: TriggerFlags, { output }: Context): ExitCode {
  if (flags.json) output.line(JSON.stringify(Object.fromEntries(categories.map(({ name, types }) => [name, types]))));
  else for (const { types } of categories) for (const type of types) output.line(type);
  return exitCodes.ok;
}

function listFields(type: string, { output }: Context): ExitCode {
  // The refusal of an unknown type lists what is near.
  if (!isEventType(type)) makeEvent({ type, set: [] });
  for (const path of schemaPaths(objectSchema(categoryOf(type)) ?? {})) output.line(path);
  return exitCodes.ok;
}

function jsonOf(text: string): unknown {
  const { text: json } = parseAssignment('--set-json', text);
  const rounded = inexactNumber(json);
  if (rounded !== undefined)
    throw usageError(`--set-json: ${rounded} would be rounded.`, 'As text it is sent as it is: bellhop events publish');
  try {
    return JSON.parse(json);
  } catch {
    throw usageError(`--set-json takes path=JSON; ${json} is no JSON.`, 'For text: --set');
  }
}
