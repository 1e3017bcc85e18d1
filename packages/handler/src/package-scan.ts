// One pass over the text of a package for what JSON.parse does not say. The text must be valid JSON; the scan only skips what
// it does not need.
//
// Names that occur twice in the envelope or in an event's own fields: JSON.parse keeps the last one and says nothing, so of
// `{"payload":[a],"payload":[b]}` the event a would be acknowledged and lost. Names inside an event's object are data and
// none of our business.
//
// The text of each event as it was received, which is what is stored: writing it anew would cost as much as reading it.

const QUOTE = 34;
const BACKSLASH = 92;

export interface PackageScan {
  /** The level where a name is repeated. */
  readonly repeated?: 'envelope' | 'event';
  /** The objects in the list `payload`, in order; incomplete when a name is repeated. */
  readonly events: readonly string[];
}

export function scanPackage(text: string): PackageScan {
  const events: string[] = [];
  // What is open: the envelope, its list, an event, and whatever is in there.
  const open: ('{' | '[')[] = [];
  let isName = false;
  const envelope = new Set<string>();
  let listName = '';
  let event = new Set<string>();
  let eventAt = 0;

  function namesAt([first, second, third]: readonly string[]): Set<string> | undefined {
    if (open.length === 1) return first === '{' ? envelope : undefined;
    return open.length === 3 && second === '[' && third === '{' ? event : undefined;
  }

  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        const names = isName ? namesAt(open) : undefined;
        if (names !== undefined) {
          const name = nameOf(text, at, end);
          if (names.has(name)) return { repeated: names === event ? 'event' : 'envelope', events };
          names.add(name);
          if (names === envelope) listName = name;
        }
        isName = false;
        at = end;
        break;
      }
      case 123: // {
        open.push('{');
        isName = true;
        if (open.length === 3) {
          event = new Set();
          eventAt = at;
        }
        break;
      case 91: // [
        open.push('[');
        isName = false;
        break;
      case 125: // }
        if (open.length === 3 && open[1] === '[' && listName === 'payload') events.push(text.slice(eventAt, at + 1));
        open.pop();
        isName = false;
        break;
      case 93: // ]
        open.pop();
        isName = false;
        break;
      case 44: // ,
        isName = true;
        break;
    }
  }
  return { events };
}

function nameOf(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end);
  return name.includes('\\') ? String(JSON.parse(`"${name}"`)) : name;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}
