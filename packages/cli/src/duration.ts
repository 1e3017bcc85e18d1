// Durations as people write them: 500ms, 2s, 1.5m, 1h, 2d. Points in time as a duration ago or as RFC 3339.

import { usageError } from './exit.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  const unit = unitMs[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

export function durationMsOf(flag: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0)
    throw usageError(`${flag} must be a duration such as 500ms, 10s or 2m, not ${text}.`);
  return ms;
}

/** `1h` is an hour ago. */
export function instantOf(flag: string, text: string, nowMs: number): string {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return new Date(nowMs - ms).toISOString();
  const at = Date.parse(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(at)) return text;
  throw usageError(`${flag} must be a duration such as 1h, or a time such as 2026-05-01T12:00:00Z, not ${text}.`);
}

/** For people, in at most two figures of interest. */
export function shortDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}
