// A chart of values over time: uPlot, drawn again when the numbers or the colour scheme change. The same numbers are in a
// table for those who cannot see it.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { clock, isUtc } from '../format.ts';

export interface Line {
  readonly label: string;
  /** A colour of the style sheet. */
  readonly colour: '--blue' | '--green' | '--red';
  readonly values: readonly number[];
  readonly show: (value: number) => string;
  /** Against the axis on the right. */
  readonly isRight?: boolean;
  readonly isDashed?: boolean;
}

export interface PlotProps {
  /** In seconds. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** Of the axes' ticks. */
  readonly left: (value: number) => string;
  /** Ticks at multiples of one of these; absent: of round numbers. */
  readonly leftSteps?: readonly number[];
  readonly right?: (value: number) => string;
  readonly table: {
    readonly head: readonly string[];
    readonly rows: readonly { readonly atSeconds: number; readonly cells: readonly string[] }[];
  };
}

const heightPx = 240;

export function Plot({ table, ...props }: PlotProps) {
  const { times, lines } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const utc = isUtc.value;
  const data: uPlot.AlignedData = [[...times], ...lines.map(({ values }) => [...values])];
  const current = useRef(data);
  current.current = data;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const build = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, utc, props), current.current, element);
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
  }, [utc]);

  useEffect(() => plot.current?.setData(data), [times, lines]);

  return (
    <>
      <div ref={place} class="chart" aria-hidden="true" />
      <details>
        <summary>The same as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              {table.head.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map(({ atSeconds, cells }) => (
              <tr key={atSeconds}>
                <td>{clock(new Date(atSeconds * 1_000))}</td>
                {cells.map((cell, index) => (
                  <td key={table.head[index]}>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

function options(
  element: HTMLElement,
  utc: boolean,
  { lines, left, leftSteps, right }: Pick<PlotProps, 'lines' | 'left' | 'leftSteps' | 'right'>,
): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
  };
  const range: uPlot.Scale.Range = (_, __, max) => [0, Math.max(max ?? 0, 1) * 1.1];
  return {
    width: element.clientWidth,
    height: heightPx,
    ...(utc ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') } : {}),
    scales: { y: { range }, ...(right ? { right: { range } } : {}) },
    axes: [
      { ...axis, values: (_, seconds) => seconds.map((second) => clock(new Date(second * 1_000)).slice(0, 5)) },
      { ...axis, size: 76, values: (_, ticks) => ticks.map(left), ...(leftSteps ? { incrs: [...leftSteps] } : {}) },
      ...(right
        ? [
            {
              ...axis,
              scale: 'right',
              side: 1 as const,
              grid: { show: false },
              values: (_: uPlot, ticks: number[]) => ticks.map(right),
            },
          ]
        : []),
    ],
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series => ({
          label: line.label,
          stroke: colour(line.colour),
          width: 2,
          scale: line.isRight ? 'right' : 'y',
          ...(line.isDashed ? { dash: [4, 4] } : {}),
          value: (_, value: number | null) => (value === null ? '–' : line.show(value)),
          points: { show: false },
        }),
      ),
    ],
  };
}
