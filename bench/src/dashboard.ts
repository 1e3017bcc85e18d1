// Does every page answer in time when there is a lot? 10,000 webhooks and 10 million events in PostgreSQL; each call that a
// page makes, first cold (service and database just started, the database's files out of the page cache), then warm.
// Afterwards every page's slowest call.

import { request } from 'undici';
import { type Bed, type FreshDatabase, operatorToken, type RunningService, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { type Call, callsOfPages } from './dashboard-calls.ts';
import { fillDatabase, scaled } from './dashboard-data.ts';
import { median, type RoundResults, round3 } from './rounds.ts';

const warmCalls = 9;
const maxMs = 300;

export const dashboard: Benchmark = {
  name: 'dashboard',
  question: 'Does every page of the dashboard answer in time?',
  caveat:
    'A week in PostgreSQL: 10,000 webhooks of 1,000 tenants (1 % blocked, 1 % disabled, 1.2 % behind), 10 million events of about 600 bytes ' +
    'in 64 partitions, 2 million attempts, 100,000 changes. Cold: service and database just started, the files of the ' +
    'database out of the page cache. Over HTTP, the whole answer read; the service has the role api.',
  defaultRounds: 3,
  async variants(bed, { scale, report }) {
    const database = await bed.database();
    // Makes the schema.
    await (await startBenchService(database.url, { role: 'api' })).close();
    const bytes = await fillDatabase(database.sql, scaled(scale), report);
    report(`the database has ${round3(bytes / 2 ** 30)} GiB`);
    const service = await startBenchService(database.url, { role: 'api' });
    const calls = await callsOfPages(database.sql, service);
    await service.close();
    return calls.map((call) => ({ name: nameOf(call), run: () => measure(bed, database, call) }));
  },
  ratios: [],
  summary: slowest,
};

function nameOf({ page, what }: Call): string {
  return `${page}: ${what}`;
}

async function measure(bed: Bed, database: FreshDatabase, call: Call) {
  await bed.forget();
  const service = await startBenchService(database.url, { role: 'api' });
  // Connects: a person has signed in by now.
  await service.operator('GET', '/operator/tokens');
  const coldMs = await ask(service, call);
  const warm: number[] = [];
  for (let turn = 0; turn < warmCalls; turn += 1) warm.push(await ask(service, call));
  await service.close();
  return { coldMs, warmMedianMs: median(warm), warmMaxMs: Math.max(...warm) };
}

/** Milliseconds until the answer is there; of the stream, its first message. */
async function ask(service: RunningService, { method, path, body }: Call): Promise<number> {
  const start = performance.now();
  const answer = await request(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  let text = '';
  for await (const chunk of answer.body) {
    text += String(chunk);
    if (path === '/operator/stream' && /^event: overview\ndata: .*\n\n/m.test(text)) break;
  }
  const took = performance.now() - start;
  if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  return took;
}

function slowest({ variants }: RoundResults): string[] {
  const pages = new Map<string, { call: string; warm: number; max: number; cold: number; coldCall: string }>();
  for (const [name, { coldMs, warmMedianMs, warmMaxMs }] of Object.entries(variants)) {
    const [page = '', call = ''] = name.split(/: (.*)/);
    const warm = warmMedianMs?.median ?? Number.NaN;
    const cold = coldMs?.median ?? Number.NaN;
    const seen = pages.get(page) ?? { call, warm: 0, max: 0, cold: 0, coldCall: call };
    pages.set(page, {
      call: warm > seen.warm ? call : seen.call,
      warm: Math.max(warm, seen.warm),
      max: Math.max(warmMaxMs?.max ?? Number.NaN, seen.max),
      cold: Math.max(cold, seen.cold),
      coldCall: cold > seen.cold ? call : seen.coldCall,
    });
  }
  return [
    `page        warm ms  worst ms  slowest call                                  cold ms  slowest call`,
    ...[...pages].map(([page, { call, warm, max, cold, coldCall }]) => {
      const numbers = [warm, max].map((ms) => String(round3(ms)).padStart(9)).join(' ');
      const verdict = warm < maxMs && cold < maxMs ? '' : `  OVER ${maxMs} ms`;
      return `${page.padEnd(9)} ${numbers}  ${call.padEnd(44)} ${String(round3(cold)).padStart(8)}  ${coldCall}${verdict}`;
    }),
  ];
}
