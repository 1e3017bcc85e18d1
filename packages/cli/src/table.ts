// Tables for people: aligned columns on a terminal, tab-separated lines when piped, so that `cut` and `awk` work.

import type { Output } from './output.ts';

export type Cell = string | number | undefined;

export async function printTable(
  output: Output,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  for (const line of await tableLines(output, head, rows)) output.line(line);
}

export async function tableLines(
  output: Output,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
): Promise<readonly string[]> {
  const cells = rows.map((row) => row.map((cell) => String(cell ?? '')));
  if (!output.interactive) return cells.map((row) => row.join('\t'));
  const { default: Table } = await import('cli-table3');
  const none = Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'left-mid',
      'mid',
      'mid-mid',
      'right',
      'right-mid',
    ].map((name) => [name, '']),
  );
  const table = new Table({
    head: head.map((name) => output.colors.dim(name)),
    chars: { ...none, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...cells);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

/** Facts of one thing, one a line. */
export function printFacts(output: Output, facts: readonly (readonly [string, Cell])[]): void {
  const width = Math.max(...facts.map(([name]) => name.length));
  for (const [name, value] of facts) {
    if (value !== undefined && value !== '') output.line(`${output.colors.dim(name.padEnd(width))}  ${value}`);
  }
}

/** Text from the other side, without what a terminal would obey. */
export function printable(value: unknown): string {
  return String(value ?? '').replace(/[\p{Cc}\p{Cf}]/gu, '·');
}
