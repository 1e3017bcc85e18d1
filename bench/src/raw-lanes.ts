// The raw limit of delivery: lanes that sign and post the same body in turn, with nothing around it: no log, no ledger, no
// policy. In this process, like the service is in its own.

import { randomUUID } from 'node:crypto';
import { generateSigningKey, type KeyAlgorithm, sign } from '@bellhop/signatures';
import { Pool } from 'undici';
import { timed } from './events.ts';

export interface RawLanes {
  readonly lanes: number;
  readonly bodyBytes: number;
  readonly packages: number;
  readonly algorithm: KeyAlgorithm;
  readonly sinkUrl: string;
}

/** Packages a second. */
export async function rawLanes({ lanes, bodyBytes, packages, algorithm, sinkUrl }: RawLanes): Promise<number> {
  const key = await generateSigningKey(randomUUID(), algorithm);
  const pool = new Pool(sinkUrl, { connections: lanes });
  const content = Buffer.alloc(bodyBytes, 'x');
  const post = async (index: number) => {
    const body = Buffer.concat([Buffer.from(String(index).padStart(8)), content]);
    const headers = { accept: '*/*', 'content-type': 'application/json' };
    const signature = await sign({ method: 'POST', path: '/hook', headers, body }, { key, version: 6 });
    const answer = await pool.request({ method: 'POST', path: '/hook', headers: { ...headers, ...signature }, body });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`The sink answered ${answer.statusCode}.`);
  };
  let next = 0;
  const lane = async (until: number) => {
    while (next < until) await post(next++);
  };
  await Promise.all(Array.from({ length: lanes }, () => lane(Math.ceil(packages / 10))));
  next = 0;
  const seconds = await timed(async () => {
    await Promise.all(Array.from({ length: lanes }, () => lane(packages)));
  });
  await pool.close();
  return packages / seconds;
}
