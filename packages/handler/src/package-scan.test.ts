import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scanPackage } from './package-scan.ts';

describe('repeated names', () => {
  it.each([
    ['{"payload":[{"id":"a"}],"payload":[]}', 'envelope'],
    ['{"payload":[],"pay\\u006coad":[]}', 'envelope'],
    ['{"payload":[{"id":"a","object":{},"id":"b"}]}', 'event'],
    ['{"payload":[{"id":"a"},{"id":"b","x":[{}],"id":"c"}]}', 'event'],
    ['{"payload":[{"\\"":1,"\\"":2}]}', 'event'],
  ])('are found in %s', (text, where) => {
    expect(scanPackage(text).repeated).toBe(where);
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
    expect(scanPackage(text).repeated).toBeUndefined();
  });

  it('are never found in what JSON.stringify has written', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.boolean(), (payload, isPretty) => {
        expect(scanPackage(JSON.stringify({ payload }, null, isPretty ? 2 : 0)).repeated).toBeUndefined();
      }),
    );
  });
});

describe('the texts of events', () => {
  it.each([
    ['{"payload":[{"id":"a"},{"id":"b"}]}', ['{"id":"a"}', '{"id":"b"}']],
    ['{"x":[{"id":"no"}],"payload":[{"id":"a","l":[{}]} ],"y":[{}]}', ['{"id":"a","l":[{}]}']],
    ['{"pay\\u006coad":[{"id":"}]\\"{"}]}', ['{"id":"}]\\"{"}']],
    ['{"payload":{"x":{"id":"a"}}}', []],
    ['[[{"id":"a"}]]', []],
  ])('of %s are those in its payload, as received', (text, events) => {
    expect(scanPackage(text).events).toEqual(events);
  });

  it('say what JSON.parse says, whatever is in the events', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.boolean(), (payload, isPretty) => {
        const text = JSON.stringify({ before: [{}], payload, after: payload }, null, isPretty ? 2 : 0);
        expect(scanPackage(text).events.map((event) => JSON.parse(event))).toEqual(JSON.parse(text).payload);
      }),
    );
  });
});
