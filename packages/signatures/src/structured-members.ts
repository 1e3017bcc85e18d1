// Structured-field dictionaries whose members keep their received text. The grammar is the library's; the library,
// however, gives values only, lets later duplicates win and cannot tell 1 from 1.0. Signatures need the raw text
// (it is what was signed) and no duplicates (two readers must not see two messages).
// Robust by construction: a header is cut at the separators outside strings, and every piece must then parse, alone
// and to its end, as one member. A wrong cut could only make a parse fail, never give another reading.
import { type InnerList, type Item, parseDictionary } from 'structured-headers';
import { trimOptionalWhiteSpace } from './message.ts';

export interface Member {
  /** The text behind `key=`, exactly as received, parameters included. */
  readonly raw: string;
  readonly value: Item | InnerList;
}

/** Cuts at `separator`, but not inside strings (`"…\"…"`), display strings (`%"…"`) and inner lists. */
export function splitOutsideStrings(text: string, separator: ',' | ';'): string[] {
  const pieces: string[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at, text[at - 1] === '%');
    else if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === separator && depth === 0) {
      pieces.push(text.slice(start, at));
      start = at + 1;
    }
  }
  pieces.push(text.slice(start));
  return pieces;
}

/** The offset of the closing quote of the string that opens at `open`; the text's end when there is none. */
function endOfString(text: string, open: number, isDisplayString: boolean): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\' && !isDisplayString) at++;
  }
  return text.length;
}

/** The members of a dictionary by key, undefined when it is malformed, empty or names a key twice. */
export function parseMembers(header: string): Map<string, Member> | undefined {
  const members = new Map<string, Member>();
  for (const piece of splitOutsideStrings(header, ',')) {
    const text = trimOptionalWhiteSpace(piece);
    const [entry, ...more] = parseOrUndefined(text) ?? [];
    if (entry === undefined || more.length > 0) return undefined;
    const [key, value] = entry;
    if (members.has(key)) return undefined;
    members.set(key, { raw: text.slice(key.length + 1), value });
  }
  return members;
}

function parseOrUndefined(text: string): Map<string, Item | InnerList> | undefined {
  try {
    return parseDictionary(text);
  } catch {
    // The library throws for every text outside the grammar, and nothing else can fail: malformed is the answer.
    return undefined;
  }
}
