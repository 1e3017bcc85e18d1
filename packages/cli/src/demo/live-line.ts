// What is being delivered, right now: one line that is redrawn on a terminal, a plain line every ten seconds elsewhere.

import type { Output } from '../output.ts';
import { plural } from '../plural.ts';
import type { Counts } from './receipts.ts';

const redrawMs = 250;
const plainMs = 10_000;
/** The rate is that of the last seconds, not of the whole run. */
const rateWindowMs = 10_000;

export function startLiveLine(output: Output, counts: () => Counts, nowMs: () => number): { stop(): void } {
  const samples: { atMs: number; events: number }[] = [{ atMs: nowMs(), events: counts().events }];
  let plainAtMs = nowMs();

  function show(): void {
    const current = counts();
    const atMs = nowMs();
    samples.push({ atMs, events: current.events });
    while (samples.length > 2 && atMs - (samples[0]?.atMs ?? atMs) > rateWindowMs) samples.shift();
    const oldest = samples[0];
    const seconds = oldest === undefined ? 0 : (atMs - oldest.atMs) / 1000;
    const rate = oldest === undefined || seconds === 0 ? 0 : (current.events - oldest.events) / seconds;
    const text = describe(current, rate);
    if (output.interactive) output.live(` ${text}`);
    else if (atMs - plainAtMs >= plainMs) {
      plainAtMs = atMs;
      output.line(text);
    }
  }

  const timer = setInterval(show, redrawMs);
  return {
    stop() {
      clearInterval(timer);
      output.live(undefined);
    },
  };
}

function describe(counts: Counts, perSecond: number): string {
  const parts = [
    `delivered, verified: ${plural(counts.events, 'event')}, ${plural(counts.packages, 'package')}`,
    `${perSecond.toFixed(1)}/s`,
  ];
  if (counts.refused > 0) parts.push(`${counts.refused} refused`);
  if (counts.invalid > 0) parts.push(`${counts.invalid} not valid against their schema`);
  if (counts.latestType !== undefined && counts.latestAt !== undefined) {
    parts.push(`${counts.latestType} ${counts.latestAt.toLocaleTimeString('en-GB')}`);
  }
  return parts.join(' · ');
}
