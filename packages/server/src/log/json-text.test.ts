import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault, JsonCursor, JsonFault } from './json-text.ts';

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON text with white space, escapes and number forms that JSON.stringify never writes. */
const { value: looseJson } = fc.letrec<{ value: string; object: string; array: string; string: string; white: string }>(
  (tie) => ({
    white: fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 2 }),
    string: fc
      .array(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 3 }).map((s) => JSON.stringify(s).slice(1, -1)),
          fc.constantFrom('\\u0061', '\\/', '\\"', '\\\\', '\\ud83d', '\\u0000', '😀', '\u007f', '\u2028'),
        ),
        { maxLength: 4 },
      )
      .map((parts) => `"${parts.join('')}"`),
    array: fc
      .array(
        fc.tuple(tie('white'), tie('value'), tie('white')).map((parts) => parts.join('')),
        { maxLength: 4 },
      )
      .map((items) => `[${items.join(',')}]`),
    object: fc
      .array(fc.tuple(tie('white'), tie('string'), tie('white'), tie('value'), tie('white')), { maxLength: 4 })
      .map((members) => {
        const seen = new Set<string>();
        const kept = members.filter(([, key]) => {
          const decoded: string = JSON.parse(key);
          return !seen.has(decoded) && seen.add(decoded);
        });
        return `{${kept.map(([a, key, b, value, c]) => `${a}${key}${b}:${value}${c}`).join(',')}}`;
      }),
    value: fc.oneof(
      { depthSize: 'small' },
      tie('string'),
      fc.constantFrom(
        '0',
        '-0',
        '1.5',
        '-10.25e+3',
        '1E-2',
        '1e400',
        'true',
        'false',
        'null',
        '[]',
        '{}',
        '[ ]',
        '{ }',
      ),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
      tie('array'),
      tie('object'),
    ),
  }),
);

describe('a JSON text', () => {
  it('is accepted exactly when JSON.parse accepts it: valid texts', () => {
    fc.assert(
      fc.property(looseJson, (text) => {
        JSON.parse(text);
        expect(findJsonFault(text)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it('is accepted exactly when JSON.parse accepts it: texts with a few characters changed', () => {
    const noise = fc.constantFrom(...'{}[]",:\\ue0+-.truefalsn \n\u0000\u001f1x'.split(''), '\ufeff', '\u00a0', '');
    fc.assert(
      fc.property(
        looseJson,
        fc.array(fc.tuple(fc.nat(), fc.nat(2), noise), { minLength: 1, maxLength: 3 }),
        (text, edits) => {
          let changed = text;
          for (const [at, cut, put] of edits) {
            const position = at % (changed.length + 1);
            changed = changed.slice(0, position) + put + changed.slice(position + cut);
          }
          const fault = findJsonFault(changed);
          if (parses(changed)) expect(fault?.code ?? 'duplicate_key').toBe('duplicate_key');
          else expect(fault).toBeInstanceOf(JsonFault);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('is accepted exactly when JSON.parse accepts it: random characters', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0061e+-.tr 9'.split('')), maxLength: 12 }),
        (text) => {
          const fault = findJsonFault(text);
          if (fault?.code === 'duplicate_key') return;
          expect(fault === undefined).toBe(parses(text));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('gives spans that parse to the values of the whole', () => {
    fc.assert(
      fc.property(fc.array(looseJson, { maxLength: 5 }), (values) => {
        const text = ` [ ${values.join(' , ')} ] `;
        const whole: unknown[] = JSON.parse(text);
        const cursor = new JsonCursor(text);
        const found: unknown[] = [];
        cursor.array(() => {
          const { start, end } = cursor.skip();
          found.push(JSON.parse(text.slice(start, end)));
        });
        cursor.end();
        expect(found).toEqual(whole);
      }),
    );
  });

  it('gives the keys of an object decoded, each in front of its value', () => {
    const text = '{ "a\\u0062" : 1, "": {"x":[]} }';
    const cursor = new JsonCursor(text);
    const members: [string, string][] = [];
    cursor.object((key) => {
      const { start, end } = cursor.skip();
      members.push([key, text.slice(start, end)]);
    });
    cursor.end();
    expect(members).toEqual([
      ['ab', '1'],
      ['', '{"x":[]}'],
    ]);
  });

  it.each([
    ['{"a":1,"a":2}', 7],
    ['{"a":1,"\\u0061":2}', 7],
    ['{"\\u0061":1,"b":0,"a":2}', 18],
    ['[{"x":{"k":1,"l":{"k":1},"k":2}}]', 25],
    ['{"\\/":1,"/":2}', 8],
  ])('with a duplicate key is refused: %s', (text, at) => {
    expect(findJsonFault(text)).toMatchObject({ code: 'duplicate_key', at });
  });

  it('finds a duplicate also among many keys', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), (count, pick) => {
        const keys = Array.from({ length: count }, (_, i) => `"k${i}":${i}`);
        expect(findJsonFault(`{${keys.join()}}`)).toBeUndefined();
        keys.push(`"k${pick % count}":0`);
        expect(findJsonFault(`{${keys.join()}}`)?.code).toBe('duplicate_key');
      }),
    );
  });

  it('lets the same key occur in different objects', () => {
    expect(findJsonFault('[{"a":{"a":1}},{"a":[{"a":2},{"a":3}]}]')).toBeUndefined();
  });

  it('may be nested to the limit and not deeper', () => {
    const nested = (levels: number): string => `${'['.repeat(levels - 1)}{}${']'.repeat(levels - 1)}`;
    expect(findJsonFault(nested(64))).toBeUndefined();
    expect(findJsonFault(nested(65))?.code).toBe('too_deep');
    expect(findJsonFault('['.repeat(1_000_000))?.code).toBe('too_deep');
  });

  it('says what was expected and where', () => {
    expect(findJsonFault('{"a" 1}')).toMatchObject({ code: 'syntax', at: 5 });
    expect(findJsonFault('"a\nb"')).toMatchObject({ code: 'syntax', at: 2 });
    expect(findJsonFault('')).toMatchObject({ code: 'syntax', at: 0 });
    expect(findJsonFault('1 2')?.message).toBe('expected the end, found "2" at character 2');
  });
});
