import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repeatedName } from './duplicate-names.ts';

describe('repeated names', () => {
  it.each([
    ['{"payload":[{"id":"a"}],"payload":[]}', 'envelope'],
    ['{"payload":[],"pay\\u006coad":[]}', 'envelope'],
    ['{"payload":[{"id":"a","object":{},"id":"b"}]}', 'event'],
    ['{"payload":[{"id":"a"},{"id":"b","x":[{}],"id":"c"}]}', 'event'],
    ['{"payload":[{"\\"":1,"\\"":2}]}', 'event'],
  ])('are found in %s', (text, where) => {
    expect(repeatedName(text)).toBe(where);
  });

  it.each([
    '{"payload":[{"id":"a"},{"id":"a"}],"id":"a"}',
    '{"payload":[{"id":"id","object":{"a":1,"a":2,"b":[{"c":1,"c":2}]}}]}',
    '{"payload":[{"id":"{\\"id\\":1,","x":["id","id"]}]}',
    '{"x":[["a","a"]],"y":{"z":{"a":1,"a":2}}}',
    '{"payload":[{"\\\\":"\\\\","id":",\\\\\\"id"}]}',
    '[{"a":1},{"a":1}]',
    '"payload"',
    '[]',
  ])('are no matter in %s', (text) => {
    expect(repeatedName(text)).toBeUndefined();
  });

  it('are never found in what JSON.stringify has written', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.boolean(), (payload, isPretty) => {
        expect(repeatedName(JSON.stringify({ payload }, null, isPretty ? 2 : 0))).toBeUndefined();
      }),
    );
  });
});
