// Right deliveries in every shape that HTTP and JSON allow. A handler that has grown used to one shape of its own tests
// (compact JSON, one chunk, lower-case headers, 100 kB) meets the others here.

import { order, orders, packageOf, packageOfSize } from '../orders.ts';
import type { Probe } from '../probe.ts';
import { mustAcknowledge } from '../verdict.ts';

const mebibyte = 1024 * 1024;

export const shapes: readonly Probe[] = [
  {
    id: 'package-100',
    family: 'delivery',
    title: 'takes a package of 100 events',
    fix: 'Loop over the whole payload and store it in one transaction; no limit on the number of events.',
    phase: 'together',
    run: async (stage) => mustAcknowledge(await stage.deliver(orders(100, 10)), 'a package of 100 events (70 kB)'),
  },
  {
    id: 'size-1mib',
    family: 'delivery',
    title: 'takes a package of 1 MiB',
    fix: 'Raise the body limit of the framework and of every proxy in front to 2 MiB.',
    phase: 'together',
    async run(stage) {
      const answer = await stage.deliver(packageOfSize(mebibyte));
      return mustAcknowledge(answer, 'a package of 1 MiB, which would be sent again for ever');
    },
  },
  {
    id: 'raw-body',
    family: 'delivery',
    title: 'verifies the bytes as they came, whatever their formatting',
    fix: 'Compute the digest over the received bytes; never over JSON.stringify of a parsed body.',
    phase: 'together',
    async run(stage) {
      const events = orders(2);
      for (const event of events) event.object['client_reference'] = 'a/b & c < d';
      // As other JSON writers do it: indented, with `/`, `&` and `<` escaped.
      const body = JSON.stringify({ payload: events }, null, 1)
        .replaceAll('/', '\\/')
        .replaceAll('&', '\\u0026')
        .replaceAll('<', '\\u003c');
      return mustAcknowledge(await stage.deliver(events, { body }), 'a package with spaces and escapes in its JSON');
    },
  },
  {
    id: 'utf-8',
    family: 'delivery',
    title: 'reads UTF-8 that is cut in the middle of a character',
    fix: 'Collect Buffers and decode once at the end (Buffer.concat), not `body += chunk`.',
    phase: 'together',
    async run(stage) {
      const events = orders(2);
      for (const event of events) event.object['client_reference'] = 'Zażółć gęślą jaźń, Grüße, 日本, 🎩';
      const body = packageOf(events);
      const bytes = Buffer.from(body);
      const inside = bytes.findIndex((byte) => (byte & 0xc0) === 0x80);
      const answer = await stage.deliver(events, { cuts: [inside, bytes.indexOf('🎩') + 2], pauseMs: 200 });
      return mustAcknowledge(answer, 'a package whose chunks end inside a character');
    },
  },
  {
    id: 'slow-body',
    family: 'robustness',
    title: 'waits for a body that comes in pieces',
    fix: 'Read to the end of the request; the first chunk is not the body.',
    phase: 'together',
    async run(stage) {
      const events = orders(4);
      const { length } = Buffer.from(packageOf(events));
      const cuts = [0.2, 0.4, 0.6, 0.8].map((share) => Math.floor(length * share));
      return mustAcknowledge(await stage.deliver(events, { cuts, pauseMs: 300 }), 'a body in five pieces within 1.2 s');
    },
  },
  {
    id: 'header-case',
    family: 'robustness',
    title: 'finds headers whatever their case',
    fix: 'Compare header names in lower case: HTTP/1.1 senders and gateways write Signature-Input as they like.',
    phase: 'together',
    async run(stage) {
      const answer = await stage.deliver([order()], {
        alter: (headers) =>
          Object.fromEntries(Object.entries(headers).map(([name, value]) => [titleCase(name), value])),
      });
      return mustAcknowledge(answer, 'headers written as Signature-Input, Digest, Content-Type');
    },
  },
  {
    id: 'extra-headers',
    family: 'robustness',
    title: 'takes deliveries with headers that are not signed',
    fix: 'Build the signature base from the names in signature-input alone; proxies add headers of their own.',
    phase: 'together',
    async run(stage) {
      const extra = {
        'user-agent': 'Go-http-client/1.1',
        'accept-encoding': 'gzip',
        traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        'x-forwarded-for': '192.0.2.1',
        'x-request-id': 'a4b1c2d3',
        forwarded: 'for=192.0.2.1;proto=https',
      };
      const answer = await stage.deliver([order()], { alter: (headers) => ({ ...headers, ...extra }) });
      return mustAcknowledge(answer, 'a delivery with the headers that proxies add');
    },
  },
];

function titleCase(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
