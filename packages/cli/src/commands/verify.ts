// `bellhop verify`: whether a saved request is genuine and, when it is not, the first thing that is wrong.

import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { remoteKeySet } from '@bellhop/signatures';
import { calling, connect } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { isRecord, recordsOf } from '../json.ts';
import type { TargetFlags } from '../profiles/target.ts';
import { reasonOf } from '../system-error.ts';
import { judge, parseSavedRequest } from '../verify-request.ts';
import type { Context } from './context.ts';

export interface VerifyFlags extends TargetFlags {
  readonly request: string;
  readonly url?: string;
  readonly keys?: string;
}

export async function verifyRequest(flags: VerifyFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const bytes = flags.request === '-' ? await buffer(process.stdin) : await readBytes(flags.request);
  const saved = parseSavedRequest(bytes);
  const request = flags.url === undefined ? saved : { ...saved, target: flags.url };
  const { keys, paths } = await keysOf(flags, context);
  const { result, remedy, expiredAt } = await judge(request, keys, paths);
  const expired =
    expiredAt === undefined ? undefined : `it ran out at ${expiredAt.toISOString()}; judged by the time of its signing`;
  if (flags.json)
    output.line(JSON.stringify({ ...result, remedy: remedy ?? null, expired_at: expiredAt?.toISOString() ?? null }));
  else if (result.ok)
    output.line(
      `${output.colors.green('✓')} genuine: version ${result.version}, key ${result.keyId}${expired === undefined ? '' : `; ${expired}`}`,
    );
  else {
    output.line(`${output.colors.red('✗')} ${result.reason}: ${result.detail}`);
    if (remedy !== undefined) output.line(`  ${remedy}`);
    output.note(`more: docs/reference/errors.md#signature-reasons`);
  }
  return result.ok ? exitCodes.ok : exitCodes.failed;
}

async function keysOf(flags: VerifyFlags, context: Context) {
  if (flags.keys !== undefined) {
    const text = (await readBytes(flags.keys)).toString('utf8');
    return { keys: remoteKeySet({ fetchKeys: async () => keySetOf(text, flags.keys ?? '') }), paths: [] };
  }
  const { target, client } = await connect(flags, context);
  const set = await calling(target, () => client.verifyKeys());
  const paths: string[] = [];
  await calling(target, async () => {
    for await (const { url } of client.webhooks.iterate({ limit: 1_000 })) {
      const { pathname, search } = new URL(url);
      paths.push(`${pathname}${search}`);
    }
  });
  return { keys: remoteKeySet({ fetchKeys: async () => set }), paths };
}

function keySetOf(text: string, file: string) {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value) && Array.isArray(value['keys'])) return { keys: recordsOf(value['keys']) };
  } catch {
    throw usageError(`${file} is not JSON.`, 'It must be a key set: bellhop keys list --json > keys.json');
  }
  throw usageError(`${file} is no key set.`, 'Make one: bellhop keys list --json > keys.json');
}

async function readBytes(file: string): Promise<Buffer> {
  return readFile(file).catch((error: unknown) => {
    throw usageError(`${file} cannot be read (${reasonOf(error)}).`);
  });
}
