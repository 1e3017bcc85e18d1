// The charts: what went in and out of the service, and how one webhook did.

import { useMemo } from 'preact/hooks';
import type { History, Rollups } from '../api-types.ts';
import { count, span } from '../format.ts';
import { type Line, Plot } from './plot.tsx';

export function FlowChart({ rollups }: { readonly rollups: Rollups }) {
  const { points, step_seconds: step } = rollups;
  const times = useMemo(() => points.map(({ at }) => Date.parse(at) / 1_000), [rollups]);
  const lines = useMemo((): Line[] => {
    const show = (value: number): string => `${value.toFixed(1)}/s`;
    return [
      { label: 'accepted', colour: '--blue', show, values: points.map(({ published }) => published / step) },
      { label: 'delivered', colour: '--green', show, values: points.map(({ delivered }) => delivered / step) },
      {
        label: 'failed attempts',
        colour: '--red',
        show,
        isDashed: true,
        values: points.map(({ failed_attempts: failed }) => failed / step),
      },
    ];
  }, [rollups]);
  const busy = points.filter((point) => point.published + point.delivered + point.failed_attempts > 0);
  return (
    <Plot
      times={times}
      lines={lines}
      left={(value) => `${value}/s`}
      table={{
        head: ['Accepted', 'Delivered', 'Failed attempts'],
        rows: busy.map((point) => ({
          atSeconds: Date.parse(point.at) / 1_000,
          cells: [count(point.published), count(point.delivered), count(point.failed_attempts)],
        })),
      }}
    />
  );
}

/** Seconds that people count in. */
const durations = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800];

export function LagChart({ history }: { readonly history: History }) {
  const { points } = history;
  const times = useMemo(() => points.map(({ at }) => Date.parse(at) / 1_000), [history]);
  const lines = useMemo((): Line[] => {
    const showLag = (value: number): string => span(value * 1_000);
    return [
      { label: 'oldest waited', colour: '--blue', show: showLag, values: points.map(({ lag_seconds: lag }) => lag) },
      { label: 'packages ok', colour: '--green', show: count, isRight: true, values: points.map(({ ok }) => ok) },
      {
        label: 'failed attempts',
        colour: '--red',
        show: count,
        isRight: true,
        isDashed: true,
        values: points.map(({ failed }) => failed),
      },
    ];
  }, [history]);
  const busy = points.filter(({ ok, failed, lag_seconds: lag }) => ok + failed + lag > 0);
  return (
    <Plot
      times={times}
      lines={lines}
      left={(value) => span(value * 1_000)}
      leftSteps={durations}
      right={(value) => (Number.isInteger(value) ? count(value) : '')}
      table={{
        head: ['Oldest waited', 'Packages ok', 'Failed attempts', 'Events delivered'],
        rows: busy.map(({ at, ok, failed, events, lag_seconds: lag }) => ({
          atSeconds: Date.parse(at) / 1_000,
          cells: [span(lag * 1_000), count(ok), count(failed), count(events)],
        })),
      }}
    />
  );
}
