// A webhook's recent attempts as dots: the shape says how it ended, the place how long ago it was, on a logarithmic scale,
// so that the growing waits of a blocked webhook can be seen.

import type { Attempt } from '../api-types.ts';
import { millis, span } from '../format.ts';
import { now } from '../live.ts';
import { says } from '../reasons.ts';

const widthPx = 600;
const heightPx = 36;

export function AttemptStrip({ attempts }: { readonly attempts: readonly Attempt[] }) {
  if (attempts.length === 0) return null;
  const age = (attempt: Attempt): number => Math.max(1, (now.value - Date.parse(attempt.started_at)) / 1_000);
  const oldest = Math.max(60, ...attempts.map(age));
  const x = (seconds: number): number => widthPx - 12 - (Math.log(seconds) / Math.log(oldest)) * (widthPx - 24);
  const marks = [10, 60, 600, 3_600, 21_600, 86_400].filter((seconds) => seconds < oldest * 0.9);
  const failed = attempts.filter(({ ok }) => !ok).length;
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${widthPx} ${heightPx}`}
      role="img"
      aria-label={`${attempts.length} recent attempts, ${failed} failed; the newest on the right`}
    >
      {marks.map((seconds) => (
        <g key={seconds}>
          <line x1={x(seconds)} x2={x(seconds)} y1={0} y2={24} class="mark" />
          <text x={x(seconds)} y={35} text-anchor="middle">
            {span(seconds * 1_000)}
          </text>
        </g>
      ))}
      {attempts.map((attempt) => {
        const title = `attempt ${attempt.attempt}, ${attempt.ok ? `${attempt.status}` : says(attempt.reason, attempt.status)}, ${millis(attempt.duration_ms)}`;
        const at = x(age(attempt));
        return attempt.ok ? (
          <circle key={attempt.id} cx={at} cy={12} r={4.5} class="dot-ok">
            <title>{title}</title>
          </circle>
        ) : (
          <path key={attempt.id} d={`M ${at - 5.5} 17 L ${at} 7 L ${at + 5.5} 17 Z`} class="dot-failed">
            <title>{title}</title>
          </path>
        );
      })}
    </svg>
  );
}
