// A cursor over JSON text (RFC 8259) that checks every character once and hands out spans, so that a part of a document can
// be kept as the bytes its author wrote instead of being parsed and serialised again.
//
// Guarantees: accepts exactly what `JSON.parse` accepts, but for two refusals of its own: a key that occurs twice in one
// object (escaped forms are the same key) and nesting deeper than `maxDepth`. Linear time, no object is built, and no input
// throws anything but a JsonFault.
//
// How it is read: `object(visit)` and `array(visit)` walk a level whose content matters and call back in front of each
// value, which `visit` must consume; `skip()` checks a value of any shape and gives its span.

export type JsonFaultCode = 'syntax' | 'duplicate_key' | 'too_deep';

/** Why a text is refused, and where: `at` counts UTF-16 units from its beginning. */
export class JsonFault extends Error {
  override readonly name = 'JsonFault';
  readonly code: JsonFaultCode;
  readonly at: number;

  constructor(code: JsonFaultCode, message: string, at: number) {
    super(message);
    this.code = code;
    this.at = at;
  }
}

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

const defaultMaxDepth = 64;

const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const colon = 0x3a;
const bracketOpen = 0x5b;
const backslash = 0x5c;
const bracketClose = 0x5d;
const braceOpen = 0x7b;
const braceClose = 0x7d;

/** Up to here the keys of an object are compared one by one, which is faster than hashing; beyond, a Set keeps it linear. */
const comparedKeys = 16;

export class JsonCursor {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;
  /** Keys of the objects being skipped, innermost last: one array for all levels. */
  readonly #keys: string[] = [];
  #escaped = false;

  constructor(text: string, options: { readonly maxDepth?: number } = {}) {
    this.#text = text;
    this.#maxDepth = options.maxDepth ?? defaultMaxDepth;
  }

  /** What the value at the cursor is, without consuming it. */
  kind(): JsonKind {
    this.#white();
    const code = this.#text.charCodeAt(this.#at);
    switch (code) {
      case braceOpen:
        return 'object';
      case bracketOpen:
        return 'array';
      case quote:
        return 'string';
      case 0x74:
      case 0x66:
        return 'boolean';
      case 0x6e:
        return 'null';
      default:
        if (code === minus || isDigit(code)) return 'number';
        throw this.#unexpected('a value');
    }
  }

  /** Walks the object at the cursor; `visit` gets each key, decoded, and must consume its value. */
  object(visit: (key: string) => void): JsonSpan {
    this.#white();
    const start = this.#at;
    this.#expect(braceOpen, 'an object');
    const keys = new Set<string>();
    this.#white();
    if (this.#text.charCodeAt(this.#at) === braceClose) return { start, end: ++this.#at };
    for (;;) {
      this.#white();
      const keyAt = this.#at;
      const key = this.#key();
      if (keys.has(key)) throw duplicate(key, keyAt);
      keys.add(key);
      this.#white();
      this.#expect(colon, '":"');
      visit(key);
      this.#white();
      const next = this.#text.charCodeAt(this.#at);
      if (next === comma) this.#at++;
      else if (next === braceClose) return { start, end: ++this.#at };
      else throw this.#unexpected('"," or "}"');
    }
  }

  /** Walks the array at the cursor; `visit` gets each index and must consume the element. */
  array(visit: (index: number) => void): JsonSpan {
    this.#white();
    const start = this.#at;
    this.#expect(bracketOpen, 'an array');
    this.#white();
    if (this.#text.charCodeAt(this.#at) === bracketClose) return { start, end: ++this.#at };
    for (let index = 0; ; index++) {
      visit(index);
      this.#white();
      const next = this.#text.charCodeAt(this.#at);
      if (next === comma) this.#at++;
      else if (next === bracketClose) return { start, end: ++this.#at };
      else throw this.#unexpected('"," or "]"');
    }
  }

  /** Consumes the string at the cursor and decodes it. */
  string(): string {
    this.#white();
    return this.#key();
  }

  /** Consumes and checks the value at the cursor, whatever it is. */
  skip(): JsonSpan {
    this.#white();
    const start = this.#at;
    this.#keys.length = 0;
    this.#value(0);
    return { start, end: this.#at };
  }

  /** Nothing but white space may follow. */
  end(): void {
    this.#white();
    if (this.#at < this.#text.length) throw this.#unexpected('the end');
  }

  #value(depth: number): void {
    const code = this.#text.charCodeAt(this.#at);
    if (code === quote) this.#string();
    else if (code === braceOpen) this.#skipObject(depth + 1);
    else if (code === bracketOpen) this.#skipArray(depth + 1);
    else if (code === 0x74) this.#word('true');
    else if (code === 0x66) this.#word('false');
    else if (code === 0x6e) this.#word('null');
    else this.#number();
  }

  #skipObject(depth: number): void {
    if (depth > this.#maxDepth) throw this.#tooDeep();
    const text = this.#text;
    const keys = this.#keys;
    const base = keys.length;
    let seen: Set<string> | undefined;
    this.#at++;
    this.#white();
    if (text.charCodeAt(this.#at) === braceClose) {
      this.#at++;
      return;
    }
    for (;;) {
      const keyAt = this.#at;
      const key = this.#key();
      if (seen) {
        if (seen.has(key)) throw duplicate(key, keyAt);
        seen.add(key);
      } else {
        for (let i = base; i < keys.length; i++) if (keys[i] === key) throw duplicate(key, keyAt);
        keys.push(key);
        if (keys.length - base === comparedKeys) seen = new Set(keys.slice(base));
      }
      this.#white();
      if (text.charCodeAt(this.#at) !== colon) throw this.#unexpected('":"');
      this.#at++;
      this.#white();
      this.#value(depth);
      this.#white();
      const next = text.charCodeAt(this.#at);
      if (next === comma) {
        this.#at++;
        this.#white();
      } else if (next === braceClose) {
        this.#at++;
        keys.length = base;
        return;
      } else throw this.#unexpected('"," or "}"');
    }
  }

  #skipArray(depth: number): void {
    if (depth > this.#maxDepth) throw this.#tooDeep();
    this.#at++;
    this.#white();
    if (this.#text.charCodeAt(this.#at) === bracketClose) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#white();
      this.#value(depth);
      this.#white();
      const next = this.#text.charCodeAt(this.#at);
      if (next === comma) this.#at++;
      else if (next === bracketClose) {
        this.#at++;
        return;
      } else throw this.#unexpected('"," or "]"');
    }
  }

  /** Consumes a string and decodes it; only one with escapes costs more than a slice. */
  #key(): string {
    const start = this.#at;
    this.#string();
    if (!this.#escaped) return this.#text.slice(start + 1, this.#at - 1);
    const decoded: unknown = JSON.parse(this.#text.slice(start, this.#at));
    return String(decoded);
  }

  #string(): void {
    const text = this.#text;
    let at = this.#at;
    if (text.charCodeAt(at) !== quote) throw this.#unexpected('a string');
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(++at);
      if (code === quote) {
        this.#at = at + 1;
        this.#escaped = escaped;
        return;
      }
      if (code === backslash) {
        escaped = true;
        at = this.#escape(at + 1);
      } else if (!(code >= space)) {
        // A control character, or NaN behind the end.
        this.#at = at;
        throw this.#unexpected('the end of the string');
      }
    }
  }

  /** Gives the last position of the escape whose letter stands at `at`. */
  #escape(at: number): number {
    switch (this.#text.charCodeAt(at)) {
      case quote:
      case backslash:
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        return at;
      case 0x75:
        for (let i = at + 1; i <= at + 4; i++) {
          if (!isHexDigit(this.#text.charCodeAt(i))) {
            this.#at = i;
            throw this.#unexpected('four hexadecimal digits');
          }
        }
        return at + 4;
      default:
        this.#at = at;
        throw this.#unexpected('an escape');
    }
  }

  #number(): void {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    if (text.charCodeAt(at) === minus) at++;
    if (text.charCodeAt(at) === 0x30) at++;
    else {
      const digits = at;
      while (isDigit(text.charCodeAt(at))) at++;
      if (at === digits) {
        this.#at = at;
        throw this.#unexpected(at === start ? 'a value' : 'a digit');
      }
    }
    if (text.charCodeAt(at) === 0x2e) at = this.#digits(at + 1);
    const exponent = text.charCodeAt(at);
    if (exponent === 0x65 || exponent === 0x45) {
      const sign = text.charCodeAt(at + 1);
      at = this.#digits(sign === 0x2b || sign === 0x2d ? at + 2 : at + 1);
    }
    this.#at = at;
  }

  #digits(from: number): number {
    let at = from;
    while (isDigit(this.#text.charCodeAt(at))) at++;
    if (at === from) {
      this.#at = at;
      throw this.#unexpected('a digit');
    }
    return at;
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected('a value');
    this.#at += word.length;
  }

  #white(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code > space || (code !== space && code !== 0x0a && code !== 0x0d && code !== 0x09)) break;
      at++;
    }
    this.#at = at;
  }

  #expect(code: number, what: string): void {
    if (this.#text.charCodeAt(this.#at) !== code) throw this.#unexpected(what);
    this.#at++;
  }

  #unexpected(expected: string): JsonFault {
    const found =
      this.#at < this.#text.length
        ? JSON.stringify(String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0))
        : 'the end';
    return new JsonFault('syntax', `expected ${expected}, found ${found} at character ${this.#at}`, this.#at);
  }

  #tooDeep(): JsonFault {
    return new JsonFault('too_deep', `nested deeper than ${this.#maxDepth} levels at character ${this.#at}`, this.#at);
  }
}

/** Checks a whole text; undefined means that it is JSON without duplicate keys. */
export function findJsonFault(text: string, options: { readonly maxDepth?: number } = {}): JsonFault | undefined {
  const cursor = new JsonCursor(text, options);
  try {
    cursor.skip();
    cursor.end();
    return undefined;
  } catch (error) {
    if (error instanceof JsonFault) return error;
    throw error;
  }
}

function duplicate(key: string, at: number): JsonFault {
  const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
  return new JsonFault('duplicate_key', `the key ${JSON.stringify(shown)} occurs twice, again at character ${at}`, at);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}
