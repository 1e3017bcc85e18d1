// What people see of a package: one line that is the whole story, and its events below.

import type { WebhookEvent } from '@bellhop/events';
import type { Output } from '../output.ts';
import { printable } from '../table.ts';
import type { Package } from './arrival.ts';

/** Of one package; all of them with --verbose. */
const maxEventLines = 20;

export interface Totals {
  packages: number;
  events: number;
  refused: number;
  bad: number;
}

export interface StoryLine {
  readonly status: number | undefined;
  readonly durationMs: number;
  readonly package: Package | undefined;
  /** Why it went wrong, and what to try. */
  readonly why?: string | undefined;
}

export function storyLine(line: StoryLine, { colors }: Output, utc: boolean): string {
  const ok = line.status !== undefined && line.status >= 200 && line.status < 300;
  const mark = ok ? colors.green(`✓ ${line.status}`) : colors.red(`✗ ${line.status ?? '---'}`);
  const events = line.package?.events ?? [];
  const count = `${events.length} event${events.length === 1 ? '' : 's'}`;
  const parts = [
    colors.dim(clock(utc)),
    `${mark} ${`${Math.round(line.durationMs)} ms`.padStart(7)}`,
    line.package === undefined ? undefined : `${count}  ${typesOf(events)}`,
    line.package === undefined ? undefined : colors.dim(`pkg ${line.package.tag}`),
    line.why === undefined ? undefined : colors.yellow(line.why),
  ];
  return parts.filter((part) => part !== undefined).join('  ');
}

export function eventLines(events: readonly WebhookEvent[], { colors }: Output, verbose: boolean): readonly string[] {
  const shown = verbose ? events : events.slice(0, maxEventLines);
  const lines = shown.flatMap((event) => {
    const { id, status } = event.object;
    const facts = [
      typeof id === 'string' ? `object ${id}` : undefined,
      typeof status === 'string' ? status : undefined,
    ];
    const line = `         ${colors.bold(printable(event.type))}  ${[`event ${event.id}`, ...facts].filter(Boolean).map(printable).join('  ')}`;
    return verbose ? [line, indented(JSON.stringify(event.object, null, 2))] : [line];
  });
  return shown.length === events.length
    ? lines
    : [...lines, colors.dim(`         and ${events.length - shown.length} more (-v shows all)`)];
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `           ${printable(line)}`)
    .join('\n');
}

function typesOf(events: readonly WebhookEvent[]): string {
  const counts = new Map<string, number>();
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  const names = [...counts].map(([type, count]) => (count === 1 ? printable(type) : `${printable(type)} ×${count}`));
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} types more`;
}

export function clock(utc: boolean): string {
  const now = new Date();
  return utc ? now.toISOString().slice(11, 19) : now.toLocaleTimeString('en-GB');
}

/** What to try when a handler answers so. */
export function answerHint(status: number, url: string): string | undefined {
  if (status === 404 || status === 405) return `is the path right? tried POST ${url}`;
  if (status === 401 || status === 403)
    return 'your handler refuses the signature; its keys must be those of this service (or try --resign)';
  if (status === 413)
    return 'your server finds the package too large; raise its body limit to 2 MiB, or --max-package-size';
  if (status >= 300 && status < 400) return 'redirects are not followed; forward to the final URL';
  if (status >= 500) return 'your handler failed; look at its log';
  return status >= 200 && status < 300 ? undefined : 'not 2xx: it is sent again';
}
