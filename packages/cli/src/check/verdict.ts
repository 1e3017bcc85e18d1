// What a probe concludes, and how answers are judged. Three results, never a guess: `unknown` means that this run could
// not tell, and says why.

import type { Answer } from './exchange.ts';

export type Result = 'pass' | 'fail' | 'unknown';

export interface Verdict {
  readonly result: Result;
  /** What was seen, in one line. */
  readonly detail: string;
}

export const pass = (detail: string): Verdict => ({ result: 'pass', detail });
export const fail = (detail: string): Verdict => ({ result: 'fail', detail });
export const unknown = (detail: string): Verdict => ({ result: 'unknown', detail });

export function isAcknowledged(answer: Answer): boolean {
  return answer.kind === 'answer' && answer.status >= 200 && answer.status < 300;
}

/** A clear no: the sender hears that nothing was taken. */
export function isRefused(answer: Answer): boolean {
  return answer.kind === 'answer' && answer.status >= 400;
}

/** The answer in words: `answered 413 "Payload Too Large"`. */
export function describe(answer: Answer): string {
  switch (answer.kind) {
    case 'answer': {
      const said = answer.location === undefined ? answer.excerpt : `to ${answer.location}`;
      return `answered ${answer.status}${said === '' ? '' : ` ${answer.location === undefined ? `"${said}"` : said}`}`;
    }
    case 'silent':
      return `no answer within ${seconds(answer.elapsedMs)}`;
    case 'broken':
      return answer.code === 'ECONNREFUSED'
        ? 'the handler did not listen any more'
        : `the connection broke without an answer (${answer.code})`;
  }
}

/** Of a package that has to be taken. `what` is its name in the sentence. */
export function mustAcknowledge(answer: Answer, what: string): Verdict {
  if (isAcknowledged(answer)) return pass(`acknowledged in ${milliseconds(answer.elapsedMs)}`);
  return isGone(answer) ? unknown(describe(answer)) : fail(`${what}: ${describe(answer)}`);
}

/** Of a request that must not be taken. `what` says what was wrong with it. */
export function mustRefuse(answer: Answer, what: string): Verdict {
  if (isRefused(answer) && answer.kind === 'answer') return pass(`refused with ${answer.status}`);
  return isGone(answer) ? unknown(describe(answer)) : fail(`${what}: ${describe(answer)}`);
}

/** The first that did not pass, or the last. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  return (
    verdicts.find(({ result }) => result === 'fail') ??
    verdicts.find(({ result }) => result === 'unknown') ??
    verdicts.at(-1) ??
    unknown('nothing was sent')
  );
}

/** Somebody else's fault: another probe will have said what ended the handler. */
export function isGone(answer: Answer): boolean {
  return answer.kind === 'broken' && answer.code === 'ECONNREFUSED';
}

export function milliseconds(elapsedMs: number): string {
  return elapsedMs < 10 ? `${elapsedMs.toFixed(1)} ms` : `${Math.round(elapsedMs)} ms`;
}

function seconds(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(elapsedMs < 1000 ? 1 : 0)} s`;
}
