// Where the local service is and how to call it as its operator: the dev.json that `bellhop dev` writes. Looked for at
// --dev-json, then BELLHOP_DEV_JSON, then in the data directory; exactly one is used and the report names it.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { usageError } from '../exit.ts';

export interface DevAccess {
  readonly baseUrl: string;
  readonly operatorToken: string;
  /** The file it came from. */
  readonly source: string;
}

export async function readDevAccess(flag: string | undefined, env: NodeJS.ProcessEnv): Promise<DevAccess> {
  const dataDir = env['BELLHOP_DATA_DIR'] || '.bellhop';
  const source = resolve(flag ?? (env['BELLHOP_DEV_JSON'] || join(dataDir, 'dev.json')));
  let text: string;
  try {
    text = await readFile(source, 'utf8');
  } catch {
    throw usageError(
      `Nothing to sign with: ${source} cannot be read.`,
      'Start `bellhop dev` here, name its file with --dev-json, or give --key-file and --key-id.',
    );
  }
  const fields = parse(text);
  const baseUrl = fields?.['base_url'];
  const operatorToken = fields?.['operator_token'];
  if (typeof baseUrl !== 'string' || typeof operatorToken !== 'string' || !URL.canParse(baseUrl)) {
    throw usageError(`${source} is no dev.json: base_url or operator_token is missing.`);
  }
  return { baseUrl, operatorToken, source };
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
