// `bellhop bench <url>`: how many packages and events a second a handler acknowledges. Packages are signed before the clock
// starts, so that the figure is the handler's and not the signer's; every package is new, so that no handler gets away with
// knowing it. Each connection has one package in flight, as each webhook of the provider has.

import type { Context } from '../commands/context.ts';
import { durationMsOf } from '../duration.ts';
import { CliError, type ExitCode, exitCodes } from '../exit.ts';
import { exchange, keptConnections, type Parcel } from './exchange.ts';
import { histogramOf } from './histogram.ts';
import { countOf, type SignerFlags, signerOf, urlOf } from './options.ts';
import { orders, packageOf } from './orders.ts';
import { quantile } from './quantile.ts';
import type { Signer } from './signer.ts';
import { describe, isAcknowledged, milliseconds } from './verdict.ts';

const lifetimeSeconds = 290;
const preparing = 8;

export interface BenchFlags extends SignerFlags {
  readonly packages: string;
  readonly events: string;
  readonly connections: string;
  readonly timeout: string;
  readonly json?: boolean;
}

export async function bench(url: string, flags: BenchFlags, context: Context): Promise<ExitCode> {
  const { output, signal } = context;
  const target = urlOf('The URL of the handler', url);
  const packages = countOf('--packages', flags.packages, 20_000);
  const events = countOf('--events', flags.events, 1_000);
  const connections = countOf('--connections', flags.connections, 256);
  const timeoutMs = durationMsOf('--timeout', flags.timeout);
  const signer = await signerOf(flags, context);

  const parcels: Parcel[] = [];
  await each(packages, preparing, signal, async () => {
    parcels.push(await parcelOf(target, signer, events));
    output.live(`signing ${parcels.length} of ${packages}`);
  });

  const taken: number[] = [];
  const missed: string[] = [];
  const kept = keptConnections(target, connections);
  const startedAt = performance.now();
  await each(parcels.length, connections, signal, async (at) => {
    const parcel = parcels[at];
    if (parcel === undefined) return;
    const answer = await exchange(target, parcel, timeoutMs, kept);
    if (isAcknowledged(answer)) taken.push(answer.elapsedMs);
    else missed.push(describe(answer));
    if (answer.kind === 'broken' && answer.code === 'ECONNREFUSED') {
      throw new CliError(exitCodes.unreachable, `The handler at ${target.href} is not reachable (${answer.code}).`);
    }
    output.live(`sending ${taken.length + missed.length} of ${packages}`);
  }).finally(() => kept.destroy());
  const seconds = (performance.now() - startedAt) / 1000;
  output.live(undefined);

  const figures = {
    target: target.href,
    packages,
    events_per_package: events,
    connections,
    acknowledged: taken.length,
    failed: missed.length,
    seconds: Number(seconds.toFixed(3)),
    packages_per_second: Number((taken.length / seconds).toFixed(1)),
    events_per_second: Number(((taken.length * events) / seconds).toFixed(1)),
    latency_ms: {
      p50: fixed(quantile(taken, 0.5)),
      p90: fixed(quantile(taken, 0.9)),
      p99: fixed(quantile(taken, 0.99)),
      max: fixed(quantile(taken, 1)),
    },
  };
  if (flags.json === true) output.line(JSON.stringify(figures));
  else for (const line of tableOf(figures, taken, missed)) output.line(line);
  return missed.length > 0 ? exitCodes.failed : exitCodes.ok;
}

function tableOf(
  figures: Pick<
    { target: string; packages: number; events_per_package: number; connections: number; seconds: number },
    'target' | 'packages' | 'events_per_package' | 'connections' | 'seconds'
  > & { readonly packages_per_second: number; readonly events_per_second: number },
  taken: readonly number[],
  missed: readonly string[],
): readonly string[] {
  const { packages, events_per_package, connections, seconds } = figures;
  const rate = (value: number) => Math.round(value).toLocaleString('en');
  const quantiles = [0.5, 0.9, 0.99, 1].map((share) => {
    return `${share === 1 ? 'max' : `p${share * 100}`} ${milliseconds(quantile(taken, share))}`;
  });
  return [
    `bellhop bench  ${figures.target}`,
    `${packages} packages of ${events_per_package} events, ${connections} in flight, ${seconds.toFixed(2)} s`,
    '',
    `acknowledged  ${rate(figures.packages_per_second)} packages/s   ${rate(figures.events_per_second)} events/s`,
    ...(taken.length === 0 ? [] : [`latency       ${quantiles.join('   ')}`, '', ...histogramOf(taken)]),
    ...(missed.length === 0 ? [] : ['', `${missed.length} of ${packages} were not acknowledged: ${missed[0]}`]),
  ];
}

async function parcelOf(target: URL, signer: Signer, events: number): Promise<Parcel> {
  const body = packageOf(orders(events));
  const created = Math.floor(Date.now() / 1000);
  const headers = await signer.sign({ url: target.href, body, created, expires: created + lifetimeSeconds });
  if (headers === undefined) throw new CliError(exitCodes.failed, 'There is no key to sign with.');
  return { headers, body: Buffer.from(body) };
}

async function each(
  count: number,
  concurrency: number,
  signal: AbortSignal,
  run: (at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < count; at = next++) {
      if (signal.aborted) throw new CliError(exitCodes.interrupted, 'Interrupted before the measurement was done.');
      await run(at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}

function fixed(value: number): number {
  return Number(value.toFixed(2));
}
