// Names that occur twice in the envelope of a package or in an event's own fields. JSON.parse keeps the last one and says
// nothing: of `{"payload":[a],"payload":[b]}` the event a would be acknowledged and lost. Names inside an event's object are
// data and none of our business. The text must be valid JSON; the scan only skips what it does not need.

const QUOTE = 34;
const BACKSLASH = 92;

/** The level where a name is repeated, undefined when none is. */
export function repeatedName(text: string): 'envelope' | 'event' | undefined {
  // What is open: the envelope, its list, an event, and whatever is in there.
  const open: ('{' | '[')[] = [];
  let isName = false;
  const envelope = new Set<string>();
  let event = new Set<string>();

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
          const name = String(JSON.parse(text.slice(at, end + 1)));
          if (names.has(name)) return names === event ? 'event' : 'envelope';
          names.add(name);
        }
        isName = false;
        at = end;
        break;
      }
      case 123: // {
        open.push('{');
        isName = true;
        if (open.length === 3) event = new Set();
        break;
      case 91: // [
        open.push('[');
        isName = false;
        break;
      case 125: // }
      case 93: // ]
        open.pop();
        isName = false;
        break;
      case 44: // ,
        isName = true;
        break;
    }
  }
  return undefined;
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
