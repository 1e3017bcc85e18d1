// A histogram of durations in plain text: buckets that double, so that a long tail is seen beside a fast middle.

import { milliseconds } from './verdict.ts';

const barWidth = 40;

export function histogramOf(samplesMs: readonly number[]): readonly string[] {
  const counts = new Map<number, number>();
  for (const sample of samplesMs) {
    const bucket = Math.ceil(Math.log2(Math.max(sample, 0.25)));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  const buckets = [...counts.keys()];
  const [lowest, highest] = [Math.min(...buckets), Math.max(...buckets)];
  const most = Math.max(...counts.values());
  const lines: string[] = [];
  for (let bucket = lowest; bucket <= highest; bucket += 1) {
    const count = counts.get(bucket) ?? 0;
    const length = count === 0 ? 0 : Math.max(1, Math.round((barWidth * count) / most));
    const label = `<= ${milliseconds(2 ** bucket)}`.padStart(12);
    lines.push(`${label}  ${'█'.repeat(length).padEnd(barWidth)}  ${count}`);
  }
  return lines;
}
