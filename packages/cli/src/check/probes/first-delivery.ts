// Three looks at one right delivery, the first of the run: is it taken, is the answer exactly 200, is it a redirect. And
// which signature version the handler speaks, when it takes none. Until this works nothing else can be told.

import { order, packageOf } from '../orders.ts';
import type { Probe, Stage } from '../probe.ts';
import { describe, fail, isAcknowledged, mustAcknowledge, pass, unknown, type Verdict } from '../verdict.ts';

export const firstDelivery: readonly Probe[] = [
  {
    id: 'single',
    family: 'delivery',
    title: 'takes a package with one event',
    fix: 'Verify the raw bytes with the published keys, store the event, answer 200.',
    phase: 'first',
    standsAlone: true,
    async run({ first, target }) {
      if (isRedirect(first)) return unknown(`${describe(first)}: see redirects`);
      if (isAcknowledged(first)) return mustAcknowledge(first, 'a right package');
      return fail(`${describe(first)}; tried POST ${target.href}${hintFor(first)}`);
    },
  },
  {
    id: 'status-200',
    family: 'delivery',
    title: 'answers 200, not another 2xx',
    fix: 'Answer 200: the documentation names 200 alone, so 201, 202 and 204 rest on a reading of it.',
    phase: 'first',
    standsAlone: true,
    async run({ first }) {
      if (!isAcknowledged(first) || first.kind !== 'answer') return unknown('the delivery was not acknowledged');
      return first.status === 200 ? pass('200') : fail(`${describe(first)} instead of 200`);
    },
  },
  {
    id: 'redirects',
    family: 'delivery',
    title: 'does not redirect',
    fix: 'Register the final URL (scheme, host, trailing slash): redirects are never followed.',
    phase: 'first',
    standsAlone: true,
    async run({ first }) {
      if (isRedirect(first)) return fail(`${describe(first)}; a redirect counts as a failed delivery`);
      return first.kind === 'answer' ? pass('no redirect') : unknown(describe(first));
    },
  },
  {
    id: 'version-6',
    family: 'keys',
    title: 'verifies signature version 6, the one of deliveries',
    fix: 'Build the signature base of version 6: names without quotes, digest as SHA-256 in `digest`.',
    phase: 'first',
    standsAlone: true,
    run: speaksVersion6,
  },
];

async function speaksVersion6(stage: Stage): Promise<Verdict> {
  const { first } = stage;
  if (isAcknowledged(first)) return pass('taken');
  if (first.kind !== 'answer' || first.status < 400 || first.status >= 500) return unknown(describe(first));
  const events = [order()];
  const signed = await stage.sign({ body: packageOf(events), version: 15 });
  if (signed === undefined) return unknown('no key');
  const answer = await stage.attempt({ headers: signed, body: Buffer.from(packageOf(events)) }, events);
  return isAcknowledged(answer)
    ? fail('takes version 15 and refuses version 6: deliveries have version 6')
    : unknown('takes neither version 6 nor 15');
}

function isRedirect(answer: Stage['first']): boolean {
  return answer.kind === 'answer' && answer.status >= 300 && answer.status < 400;
}

function hintFor(answer: Stage['first']): string {
  if (answer.kind !== 'answer') return '';
  switch (answer.status) {
    case 401:
    case 403:
      return ': does it trust these keys, and verify the raw body before any parser?';
    case 404:
      return ': is the path right?';
    case 405:
      return ': is the route one for POST?';
    case 413:
      return ': a package of one event is over its body limit';
    case 415:
      return ': the content type of deliveries is application/json';
    default:
      return '';
  }
}
