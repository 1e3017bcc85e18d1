// Events as the text that their author wrote. Parsing and writing again would turn `1.0` into `1`, round long numbers and
// keep only the last of equal keys: what is passed on stays as it came. White space may change, nothing else.

import { findJsonFault, JsonCursor, JsonFault } from '@bellhop/server/json-text';
import { usageError } from './exit.ts';

/** What a delivery and the log add to what was published. */
const added = new Set(['webhook_id', 'client_id', 'partition', 'offset', 'appended_at', 'bytes', 'webhooks']);

/**
 * The events of a file, each as `POST /operator/events` takes it: a list, one event, `{"events":[…]}`, a delivery, or one
 * event a line. What `listen --save` wrote is one of them.
 */
export function eventsOfFile(text: string): readonly string[] {
  const items = itemsOfFile(text);
  if (items.length === 0) throw usageError('There are no events in it.');
  return items.map((item, index) => {
    const members = item.startsWith('{') ? membersOf(item) : new Map<string, string>();
    if (!members.get('type')?.startsWith('"') || !members.get('object')?.startsWith('{')) {
      throw usageError(`Event ${index + 1} must have type and object.`);
    }
    const kept = [...members].filter(([name]) => !added.has(name));
    return `{${kept.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
  });
}

/** The events of a package's body, a line each; undefined for a text whose reading is not certain. */
export function eventsOfPackage(body: string): readonly string[] | undefined {
  try {
    return listOf(membersOf(body).get('payload'))?.map((text) => text.replaceAll(/[\r\n]+/g, ' '));
  } catch (error) {
    if (error instanceof JsonFault) return undefined;
    throw error;
  }
}

function itemsOfFile(text: string): readonly string[] {
  const fault = findJsonFault(text);
  if (fault === undefined) {
    const whole = text.trim();
    if (!whole.startsWith('{')) return listOf(whole) ?? [];
    const members = membersOf(whole);
    return listOf(members.get('events') ?? members.get('payload')) ?? [whole];
  }
  if (fault.code !== 'syntax') throw usageError(`It cannot be sent: ${fault.message}.`);
  return linesOfFile(text, fault);
}

function linesOfFile(text: string, fault: JsonFault): readonly string[] {
  const items: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const wrong = findJsonFault(line);
    if (wrong === undefined) items.push(line.trim());
    // A document that is broken somewhere is no list of lines.
    else if (items.length === 0) throw usageError(`It is not JSON: ${fault.message}.`);
    else if (wrong.code === 'syntax') throw usageError(`Line ${index + 1} is not JSON: ${wrong.message}.`);
    else throw usageError(`Line ${index + 1} cannot be sent: ${wrong.message}.`);
  }
  return items;
}

function membersOf(object: string): ReadonlyMap<string, string> {
  const cursor = new JsonCursor(object);
  const members = new Map<string, string>();
  cursor.object((name) => {
    const { start, end } = cursor.skip();
    members.set(name, object.slice(start, end));
  });
  return members;
}

function listOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined || !text.startsWith('[')) return undefined;
  const cursor = new JsonCursor(text);
  const items: string[] = [];
  cursor.array(() => {
    const { start, end } = cursor.skip();
    items.push(text.slice(start, end));
  });
  return items;
}
