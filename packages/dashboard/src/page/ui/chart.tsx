// The chart of what went in and out: uPlot, drawn again when the numbers or the colour scheme change. The same numbers are
// in a table for those who cannot see it.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Rollups } from '../api-types.ts';
import { clock, count, isUtc } from '../format.ts';

export function FlowChart({ rollups }: { readonly rollups: Rollups }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const utc = isUtc.value;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const build = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, utc), dataOf(rollups), element);
    };
    build();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: heightPx }));
    resized.observe(element);
    scheme.addEventListener('change', build);
    return () => {
      resized.disconnect();
      scheme.removeEventListener('change', build);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [utc, rollups.step_seconds]);

  useEffect(() => plot.current?.setData(dataOf(rollups)), [rollups]);

  const busy = rollups.points.filter((point) => point.published + point.delivered + point.failed_attempts > 0);
  return (
    <>
      <div ref={place} class="chart" aria-hidden="true" />
      <details>
        <summary>The same as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Accepted</th>
              <th scope="col">Delivered</th>
              <th scope="col">Failed attempts</th>
            </tr>
          </thead>
          <tbody>
            {busy.map((point) => (
              <tr key={point.at}>
                <td>{clock(new Date(point.at))}</td>
                <td>{count(point.published)}</td>
                <td>{count(point.delivered)}</td>
                <td>{count(point.failed_attempts)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

const heightPx = 240;

function dataOf({ points, step_seconds: step }: Rollups): uPlot.AlignedData {
  return [
    points.map(({ at }) => Date.parse(at) / 1_000),
    points.map(({ published }) => published / step),
    points.map(({ delivered }) => delivered / step),
    points.map(({ failed_attempts: failed }) => failed / step),
  ];
}

function options(element: HTMLElement, utc: boolean): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
  };
  const perSecond = (_: uPlot, value: number | null): string => (value === null ? '–' : `${value.toFixed(1)}/s`);
  return {
    width: element.clientWidth,
    height: heightPx,
    ...(utc ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') } : {}),
    scales: { y: { range: (_, __, max) => [0, Math.max(max ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, values: (_, seconds) => seconds.map((second) => hourMinute(second)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => `${tick}/s`) },
    ],
    series: [
      {},
      { label: 'accepted', stroke: colour('--blue'), width: 2, value: perSecond, points: { show: false } },
      { label: 'delivered', stroke: colour('--green'), width: 2, value: perSecond, points: { show: false } },
      {
        label: 'failed attempts',
        stroke: colour('--red'),
        width: 2,
        dash: [4, 4],
        value: perSecond,
        points: { show: false },
      },
    ],
  };
}

function hourMinute(seconds: number): string {
  return clock(new Date(seconds * 1_000)).slice(0, 5);
}
