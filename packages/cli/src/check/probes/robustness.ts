// Requests that are wrong as HTTP or JSON. The handler has to say no with a 4xx and go on: after each of those that bring
// handlers down a right delivery shows that it still stands.

import { order, packageOf } from '../orders.ts';
import type { Probe, Stage } from '../probe.ts';
import { describe, fail, isAcknowledged, isGone, mustRefuse, pass, unknown, type Verdict, worst } from '../verdict.ts';

const hugeHeaderBytes = 32 * 1024;

export const robustness: readonly Probe[] = [
  {
    id: 'get',
    family: 'robustness',
    title: 'refuses GET',
    fix: 'Route POST alone; a page that answers 200 at this URL hides a wrong path.',
    phase: 'together',
    async run(stage) {
      const answer = await stage.send({ method: 'GET', headers: { accept: '*/*' }, body: Buffer.alloc(0) });
      if (answer.kind === 'answer' && answer.status >= 300 && answer.status < 400) return pass(describe(answer));
      return mustRefuse(answer, 'GET');
    },
  },
  {
    id: 'broken-json',
    family: 'robustness',
    title: 'refuses broken JSON with a valid signature, and stands',
    fix: 'Catch the parser and answer 400: 200 would acknowledge what was never stored.',
    phase: 'last',
    async run(stage) {
      const body = packageOf([order()]).slice(0, -9);
      const headers = await stage.sign({ body });
      if (headers === undefined) return unknown('no key');
      const answer = await stage.attempt({ headers, body: Buffer.from(body) }, []);
      return stillStanding(stage, mustRefuse(answer, 'a signed body that is no JSON'));
    },
  },
  {
    id: 'huge-header',
    family: 'robustness',
    title: 'answers a request with a header of 32 KiB, and stands',
    fix: 'Leave the limit of the HTTP server on and let it answer 431; a clientError listener has to end the socket.',
    phase: 'last',
    async run(stage) {
      const body = packageOf([order()]);
      const signed = await stage.sign({ body });
      if (signed === undefined) return unknown('no key');
      const headers = { ...signed, 'x-padding': 'x'.repeat(hugeHeaderBytes) };
      const answer = await stage.send({ headers, body: Buffer.from(body) });
      if (isGone(answer)) return unknown(describe(answer));
      const verdict =
        answer.kind === 'silent' || (answer.kind === 'answer' && answer.status >= 500 && answer.status !== 501)
          ? fail(`a header of 32 KiB: ${describe(answer)}`)
          : pass(describe(answer));
      return stillStanding(stage, verdict);
    },
  },
  {
    id: 'aborted-body',
    family: 'robustness',
    title: 'stands when a sender leaves in the middle of the body',
    fix: 'Handle `error` and `aborted` of the request: an unhandled one ends the process.',
    phase: 'last',
    async run(stage) {
      const body = packageOf([order()]);
      const headers = await stage.sign({ body });
      if (headers === undefined) return unknown('no key');
      const parcel = { headers, body: Buffer.from(body), breakAfter: Math.floor(body.length / 2) };
      const answer = await stage.send(parcel);
      if (isGone(answer)) return unknown(describe(answer));
      return stillStanding(stage, pass('went on'));
    },
  },
  {
    id: 'refusal-status',
    family: 'refusals',
    title: 'refuses with 4xx, not with 5xx',
    fix: 'Answer 401 for what does not verify and 400 for what does not parse; 5xx is for faults of your own side.',
    phase: 'last',
    async run(stage) {
      const body = Buffer.from(packageOf([order()]));
      const headers = {
        'content-type': 'application/json',
        'signature-input': 'sig1=("@method',
        signature: 'sig1=:x:',
      };
      const answer = await stage.attempt({ headers: { ...headers, 'content-length': `${body.length}` }, body }, []);
      const own = mustRefuse(answer, 'garbage as signature');
      const wrong = stage.ledger.refusals().filter(({ status }) => status >= 500);
      const probes = [...new Set(wrong.map(({ probe, status }) => `${probe} ${status}`))];
      if (probes.length === 0) return stillStanding(stage, own);
      return fail(`refused with 5xx: ${probes.slice(0, 6).join(', ')}${probes.length > 6 ? ', ...' : ''}`);
    },
  },
];

async function stillStanding(stage: Stage, verdict: Verdict): Promise<Verdict> {
  if (verdict.result === 'unknown') return verdict;
  const answer = await stage.deliver([order()]);
  if (isAcknowledged(answer)) return verdict;
  return worst([verdict, fail(`the next right delivery was not taken: ${describe(answer)}`)]);
}
