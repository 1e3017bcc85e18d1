// What happens to one delivery: verified, read, filtered, forwarded, saved, told. The status that comes out is what the
// provider is answered, so a package counts as taken only when everything that was asked for has happened.

import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { WebhookEvent } from '@bellhop/events';
import { type KeyLookup, KeySetError, memoryNonces, messageTarget, verify } from '@bellhop/signatures';
import type { Context } from '../commands/context.ts';
import { eventsOfPackage } from '../event-texts.ts';
import { usageError } from '../exit.ts';
import { isRecord } from '../json.ts';
import { reasonOf } from '../system-error.ts';
import type { Arrival, Package, Settled } from './arrival.ts';
import type { Forwarded, Forwarder } from './forward.ts';
import type { EventFilter } from './patterns.ts';
import { answerHint, eventLines, storyLine, type Totals } from './story.ts';

export interface SettleOptions {
  readonly keys: KeyLookup;
  readonly filter: EventFilter;
  readonly forwarder: Forwarder | undefined;
  /** New signature headers for a body; undefined: the original ones. */
  readonly resign: ((arrival: Arrival, url: string) => Promise<Arrival['headers']>) | undefined;
  readonly save: FileHandle | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly utc: boolean;
  readonly context: Context;
}

/** Verified and read: once, because a signature counts once. */
export interface Admitted {
  readonly arrival: Arrival;
  readonly package: Package;
}

export type Admission =
  | { readonly ok: true; readonly admitted: Admitted }
  /** `final`: it will never be admitted. Otherwise the keys could not be had: ask again. */
  | { readonly ok: false; readonly final: boolean; readonly answer: Settled };

export interface Settler {
  readonly totals: Totals;
  admit(arrival: Arrival): Promise<Admission>;
  /** Undefined: the target could not be reached, so nothing is decided yet. May be repeated. */
  pass(admitted: Admitted): Promise<Settled | undefined>;
}

const empty = Buffer.alloc(0);

export async function openSaveFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a');
  } catch (error) {
    throw usageError(`${path} cannot be written (${reasonOf(error)}).`, 'Choose another --save.');
  }
}

export function createSettler(options: SettleOptions): Settler {
  const { forwarder, filter, save, context } = options;
  const { output } = context;
  const nonces = memoryNonces();
  const totals: Totals = { packages: 0, events: 0, refused: 0, bad: 0 };
  let downSinceMs: number | undefined;

  function tell(
    startedMs: number,
    tag: string,
    status: number | undefined,
    pkg: Package | undefined,
    why?: string,
  ): void {
    const durationMs = performance.now() - startedMs;
    if (options.json) {
      const facts = {
        kind: 'package',
        at: new Date().toISOString(),
        status: status ?? null,
        duration_ms: Math.round(durationMs),
        package: tag,
      };
      output.line(JSON.stringify({ ...facts, events: pkg?.events.length ?? 0, ...(why === undefined ? {} : { why }) }));
    } else if (!options.quiet || why !== undefined) {
      output.line(storyLine({ status, durationMs, package: pkg, why }, output, options.utc));
    }
  }

  async function admit(arrival: Arrival): Promise<Admission> {
    const startedMs = performance.now();
    const tag = createHash('sha256').update(arrival.body).digest('hex').slice(0, 4);
    const refusal = await refusalOf(arrival, startedMs);
    const events = refusal === undefined ? eventsOf(arrival.body) : undefined;
    if (events !== undefined) return { ok: true, admitted: { arrival, package: { events, tag } } };
    const { status, why } = refusal ?? { status: 400, why: 'verified, but no package of events' };
    totals.bad += 1;
    tell(startedMs, tag, status, undefined, why);
    const answer = { status, headers: [['content-type', 'text/plain']] as const, body: Buffer.from(`${why}\n`) };
    return { ok: false, final: status !== 503, answer };
  }

  async function pass({ arrival, package: pkg }: Admitted): Promise<Settled | undefined> {
    const startedMs = performance.now();
    const { events, tag } = pkg;
    const told = (status: number | undefined, shown: Package, why?: string) => tell(startedMs, tag, status, shown, why);
    const matching = events.filter(({ type }) => filter.matches(type));
    if (matching.length === 0) return { status: 200, headers: [], body: empty };

    let answer: Settled = { status: 200, headers: [], body: empty };
    if (forwarder !== undefined) {
      const forwarded = await forward(arrival, forwarder);
      if (!forwarded.ok && forwarded.why === 'down') return tellDown(forwarder, forwarded.reason);
      tellUp(forwarder);
      if (!forwarded.ok) {
        totals.refused += 1;
        const status = forwarded.why === 'late' ? 504 : 502;
        told(
          status,
          pkg,
          forwarded.why === 'late'
            ? `${forwarded.reason}: a provider gives up then; answer first, work later`
            : `the connection broke: ${forwarded.reason}`,
        );
        return { status, headers: [], body: empty };
      }
      answer = forwarded;
    }
    const ok = answer.status >= 200 && answer.status < 300;
    const lines = ok && (save !== undefined || options.json) ? linesOf(arrival, events) : [];
    if (ok && save !== undefined) {
      try {
        await save.appendFile(lines.map((line) => `${line}\n`).join(''));
      } catch (error) {
        totals.refused += 1;
        told(500, pkg, `could not be saved: ${reasonOf(error)}`);
        return { status: 500, headers: [], body: empty };
      }
    }
    if (ok) {
      totals.packages += 1;
      totals.events += matching.length;
    } else totals.refused += 1;
    told(
      answer.status,
      { ...pkg, events: matching },
      forwarder === undefined ? undefined : answerHint(answer.status, forwarder.url),
    );
    if (ok) tellEvents(matching, lines);
    return answer;
  }

  /** What matches, as it came. */
  function linesOf({ body }: Arrival, events: readonly WebhookEvent[]): readonly string[] {
    const lines = eventsOfPackage(body.toString('utf8')) ?? events.map((event) => JSON.stringify(event));
    return lines.filter((_, index) => filter.matches(events[index]?.type ?? ''));
  }

  function tellEvents(matching: readonly WebhookEvent[], lines: readonly string[]): void {
    if (options.json) for (const line of lines) output.line(`{"kind":"event","event":${line}}`);
    else if (!options.quiet && (forwarder === undefined || options.verbose)) {
      for (const line of eventLines(matching, output, options.verbose)) output.line(line);
    }
  }

  async function forward(arrival: Arrival, to: Forwarder): Promise<Forwarded> {
    const headers = options.resign === undefined ? arrival.headers : await options.resign(arrival, to.url);
    return to.post({ headers, body: arrival.body });
  }

  async function refusalOf(arrival: Arrival, startedMs: number): Promise<{ status: number; why: string } | undefined> {
    const message = { method: 'POST', ...messageTarget(arrival.url), headers: arrival.headers, body: arrival.body };
    const elapsed = () => arrival.receivedAtMs + (performance.now() - startedMs);
    try {
      const result = await verify(message, { keys: options.keys, nonces, now: elapsed, tryDecodedPath: true });
      if (result.ok) return undefined;
      const status = result.reason === 'keys_unavailable' ? 503 : 401;
      return { status, why: `not verified: ${result.reason}: ${result.detail}` };
    } catch (error) {
      if (error instanceof KeySetError) return { status: 503, why: `not verified: ${error.message}` };
      throw error;
    }
  }

  function tellDown({ url }: Forwarder, reason: string): undefined {
    if (downSinceMs !== undefined) return undefined;
    downSinceMs = performance.now();
    const why = `${url} is down (${reason}); packages wait and keep their order`;
    if (options.json) output.line(JSON.stringify({ kind: 'target', up: false, why }));
    else output.note(`${output.noteColors.yellow('…')} ${why}`);
    return undefined;
  }

  function tellUp({ url }: Forwarder): void {
    if (downSinceMs === undefined) return;
    const seconds = ((performance.now() - downSinceMs) / 1_000).toFixed(1);
    downSinceMs = undefined;
    if (options.json) output.line(JSON.stringify({ kind: 'target', up: true }));
    else output.note(`${output.noteColors.green('✓')} ${url} is back after ${seconds} s`);
  }

  return { totals, admit, pass };
}

/** Undefined when it is no package. What is inside an object is nobody's business here. */
function eventsOf(body: Buffer): readonly WebhookEvent[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const payload = isRecord(value) ? value['payload'] : undefined;
  if (!Array.isArray(payload)) return undefined;
  const events = payload.filter(isEvent);
  return events.length === payload.length && events.length > 0 ? events : undefined;
}

function isEvent(value: unknown): value is WebhookEvent {
  return (
    isRecord(value) &&
    ['id', 'created_at', 'type', 'webhook_id'].every((name) => typeof value[name] === 'string') &&
    isRecord(value['object'])
  );
}
