// Scenarios: a YAML file with steps that are events, pauses and faults. Steps can be about the same object, and refer to
// what earlier steps have made.
//
//   steps:
//     - type: ORDER.NEW
//       as: order                       # a name for what this step makes
//     - delay: 500ms
//     - type: EXECUTION.FILLED
//       set: { order_id: ${order.object.id} }
//     - type: ORDER.FILLED
//       about: order                    # the same object, in a later state
//       set: { status: FILLED }
//       fault: duplicate                # or: swap (before the step ahead of it), unknown-type, large (1 MB)
//       count: 3
//
// Everything wrong with a file is said before anything is sent.

import { isWellFormedType, type UndeliveredEvent } from '@bellhop/events';
import { parse, YAMLParseError } from 'yaml';
import { parseDurationMs } from '../duration.ts';
import { type CliError, usageError } from '../exit.ts';
import { type Fields, inexactNumber, isRecord } from '../json.ts';
import { makeEvent } from './make-event.ts';

const faults = ['duplicate', 'swap', 'unknown-type', 'large'] as const;
type Fault = (typeof faults)[number];
/** With it an event is as large as the service takes one. */
const padding = 'x'.repeat(1_000_000);
const eventFields = ['type', 'as', 'about', 'set', 'count', 'fault', 'unknown'];

/** What is to be done, in order: events of one entry are published together. */
export type ScenarioAct =
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'publish'; readonly events: readonly UndeliveredEvent[]; readonly fault: Fault | undefined };

/** By the names that steps have: what they made, and all that was told about its object so far. */
interface Story {
  readonly made: Map<string, UndeliveredEvent>;
  readonly told: Map<string, UndeliveredEvent[]>;
}

export function readScenario(text: string, name: string): readonly ScenarioAct[] {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw usageError(`${name}: ${error.message.split('\n')[0]}`);
    throw error;
  }
  const steps = isRecord(document) ? document['steps'] : document;
  if (!Array.isArray(steps) || steps.length === 0) throw usageError(`${name} must have a list of steps.`);
  const story: Story = { made: new Map(), told: new Map() };
  const acts: ScenarioAct[] = [];
  let offsetMs = 0;
  for (const [index, step] of steps.entries()) {
    const fail = (what: string): CliError => usageError(`${name}, step ${index + 1}: ${what}`);
    if (!isRecord(step)) throw fail('must be an object with type or delay.');
    const pauseMs = step['delay'] === undefined ? undefined : parseDurationMs(String(step['delay']));
    if (step['delay'] !== undefined && pauseMs === undefined) throw fail('delay must be a duration such as 500ms.');
    if (pauseMs !== undefined) {
      acts.push({ kind: 'pause', ms: pauseMs });
      offsetMs += pauseMs;
    }
    if (step['type'] === undefined) {
      if (pauseMs === undefined) throw fail('needs a type or a delay.');
      continue;
    }
    // Everything is made before the first step runs, but an event happens when its turn has come.
    const now = () => Date.now() + offsetMs;
    const act = publishAct(step, story, now, fail);
    const before = acts.at(-1);
    // The events of both steps keep their times: what was made later comes earlier.
    if (act.fault === 'swap' && before?.kind === 'publish') acts.splice(-1, 0, act);
    else if (act.fault === 'swap') throw fail('swap needs an event right before it.');
    else acts.push(act);
    if (act.fault === 'duplicate') acts.push(act);
  }
  return acts;
}

function publishAct(
  step: Fields,
  { made, told }: Story,
  now: () => number,
  fail: (what: string) => CliError,
): Extract<ScenarioAct, { kind: 'publish' }> {
  const unknown = Object.keys(step).find((field) => field !== 'delay' && !eventFields.includes(field));
  if (unknown !== undefined) throw fail(`does not know ${unknown}; there are delay, ${eventFields.join(', ')}.`);
  const fault = step['fault'] === undefined ? undefined : faults.find((name) => name === step['fault']);
  if (step['fault'] !== undefined && fault === undefined) throw fail(`fault must be ${faults.join(', ')}.`);
  const count = step['count'] ?? 1;
  // The events of a step are one call.
  const maxCount = fault === 'large' ? 5 : 10_000;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1 || count > maxCount) {
    throw fail(`count must be a whole number from 1 to ${maxCount}.`);
  }
  const set = step['set'] ?? {};
  if (!isRecord(set)) throw fail('set must be fields with values.');
  const about = step['about'] === undefined ? undefined : told.get(String(step['about']));
  if (step['about'] !== undefined && about === undefined)
    throw fail(`no step before it is called ${String(step['about'])}.`);
  const known = String(step['type']);
  const type = fault === 'unknown-type' && isWellFormedType(known) ? `${known}_UNHEARD_OF` : known;
  const assignments = Object.entries(set).map(([path, value]) => ({
    path: path.replace(/^object\./, ''),
    to: { value: resolved(value, made, fail) },
  }));
  const events = Array.from({ length: count }, () => {
    try {
      const allowUnknown = step['unknown'] === true || fault === 'unknown-type';
      const event = makeEvent({ type, set: assignments, after: about ?? [], now, allowUnknown });
      about?.push(event);
      return event;
    } catch (error) {
      throw error instanceof Error && error.name === 'CliError' ? fail(error.message) : error;
    }
  });
  const [first] = events;
  if (typeof step['as'] === 'string' && first !== undefined) {
    made.set(step['as'], first);
    told.set(step['as'], about ?? [first]);
  }
  return { kind: 'publish', events: fault === 'large' ? events.map(padded) : events, fault };
}

function padded(event: UndeliveredEvent): UndeliveredEvent {
  return { ...event, object: { ...event.object, padding } };
}

/** `${order.object.id}`: a text that is nothing but a reference becomes the value, others get its text. */
function resolved(
  value: unknown,
  made: ReadonlyMap<string, UndeliveredEvent>,
  fail: (what: string) => CliError,
): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(item, made, fail));
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item, made, fail)]));
  if (typeof value === 'number' && inexactNumber(String(value)) !== undefined)
    throw fail(`${value} would be rounded; publish it as text: bellhop events publish.`);
  if (typeof value !== 'string') return value;
  const look = (path: string): unknown => {
    let at: unknown = Object.fromEntries(made);
    for (const segment of path.split('.')) {
      at = typeof at === 'object' && at !== null && Object.hasOwn(at, segment) ? Reflect.get(at, segment) : undefined;
    }
    if (at === undefined)
      throw fail(`\${${path}} leads nowhere; such as \${order.object.id}, after a step with as: order.`);
    return at;
  };
  const whole = /^\$\{([^}]+)\}$/.exec(value);
  if (whole?.[1] !== undefined) return look(whole[1].trim());
  return value.replaceAll(/\$\{([^}]+)\}/g, (_, path: string) => String(look(path.trim())));
}
