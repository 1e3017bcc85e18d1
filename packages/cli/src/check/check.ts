// `bellhop check <url>`: reads the flags, runs the probes, prints the report. Exit code 0 only when nothing failed.

import { writeFile } from 'node:fs/promises';
import type { Context } from '../commands/context.ts';
import { durationMsOf } from '../duration.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { countOf, type SignerFlags, signerOf, urlOf } from './options.ts';
import { chooseProbes, pageOf } from './registry.ts';
import { jsonOf, junitOf, listOf, tableOf } from './report.ts';
import { runCheck } from './run-check.ts';
import { scoreOf } from './score.ts';

export interface CheckFlags extends SignerFlags {
  readonly list?: boolean;
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly json?: boolean;
  readonly junit?: string;
  readonly effectsUrl?: string;
  readonly timeout: string;
  readonly wait?: string;
  readonly concurrency: string;
}

export async function check(url: string | undefined, flags: CheckFlags, context: Context): Promise<ExitCode> {
  const { output, signal } = context;
  const probes = chooseProbes(flags.only ?? [], flags.skip ?? []);
  if (flags.list === true) {
    const facts = probes.map((probe) => ({
      id: probe.id,
      family: probe.family,
      title: probe.title,
      fix: probe.fix,
      docs: pageOf(probe),
    }));
    for (const line of flags.json === true ? [JSON.stringify(facts)] : listOf(probes, output.colors)) output.line(line);
    return exitCodes.ok;
  }
  if (url === undefined) {
    throw usageError('The URL of the handler is missing.', 'For example: bellhop check http://localhost:3000/webhooks');
  }
  const target = urlOf('The URL of the handler', url);
  const effectsUrl = flags.effectsUrl === undefined ? undefined : urlOf('--effects-url', flags.effectsUrl);
  const timeoutMs = durationMsOf('--timeout', flags.timeout);
  const waitMs = flags.wait === undefined ? 0 : durationMsOf('--wait', flags.wait);
  const concurrency = countOf('--concurrency', flags.concurrency, 32);
  const signer = await signerOf(flags, context);

  output.live(`checking ${target.href}`);
  const report = await runCheck({
    ...{ target, signer, probes, timeoutMs, concurrency, effectsUrl, waitMs, signal },
    onOutcome: ({ probe }, done) => output.live(`${done} of ${probes.length}  ${probe.id}`),
  });
  output.live(undefined);
  if (flags.junit !== undefined) await writeReport(flags.junit, junitOf(report));
  for (const line of flags.json === true ? [jsonOf(report)] : tableOf(report, output.colors)) output.line(line);
  return scoreOf(report).failed > 0 ? exitCodes.failed : exitCodes.ok;
}

async function writeReport(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCodes.usage, `--junit: ${path} cannot be written (${reason}).`, undefined, { cause });
  }
}
