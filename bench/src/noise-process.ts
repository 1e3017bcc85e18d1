// The noise of the noisy-neighbour benchmark, in a process of its own: one tenant that calls at a constant rate whatever it
// is answered, and connections that never finish a request and come again when they are closed.
//
// `startNoise` forks this very file.

import { fork } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { peerKeyFromPem, signRequest } from '../../test/conformance/peer.ts';

export interface NoiseOptions {
  readonly url: string;
  readonly clientId: string;
  readonly token: string;
  readonly keyId: string;
  readonly privateKey: string;
  readonly callsPerSecond: number;
  readonly slowConnections: number;
}

export interface Noise {
  /** Answers by status, and slow connections that were closed. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

export async function startNoise(options: NoiseOptions): Promise<Noise> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], { stdio: 'inherit' });
  const message = () =>
    new Promise<Record<string, number>>((resolve) =>
      child.once('message', (counts: Record<string, number>) => resolve(counts)),
    );
  await message();
  return {
    async stop() {
      const counted = message();
      child.send('stop');
      const counts = await counted;
      child.kill();
      return counts;
    },
  };
}

async function makeNoise(options: NoiseOptions): Promise<void> {
  const { Pool } = await import('undici');
  const { url, clientId, token, keyId, privateKey, callsPerSecond, slowConnections } = options;
  const key = peerKeyFromPem(keyId, privateKey);
  const pool = new Pool(url, { connections: 32 });
  const counts: Record<string, number> = {};
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  let stopping = false;

  const call = async (): Promise<void> => {
    const message = {
      method: 'GET',
      target: '/webhooks',
      headers: { accept: 'application/json', authorization: `Bearer ${token}`, 'upvest-client-id': clientId },
    };
    try {
      const answer = await pool.request({ method: 'GET', path: '/webhooks', headers: signRequest(message, { key }) });
      await answer.body.dump();
      count(String(answer.statusCode));
    } catch {
      count('none');
    }
  };
  const slow = (): void => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nx: '),
    );
    const drip = setInterval(() => socket.write('a'), 1_000);
    socket.on('error', () => socket.destroy());
    socket.resume().on('close', () => {
      clearInterval(drip);
      count('closed');
      if (!stopping) slow();
    });
  };
  for (let index = 0; index < slowConnections; index += 1) slow();
  const startedMs = performance.now();
  let sent = 0;
  const ticking = setInterval(() => {
    const due = ((performance.now() - startedMs) / 1_000) * callsPerSecond;
    for (; sent < due; sent += 1) void call();
  }, 5);
  process.on('message', () => {
    stopping = true;
    clearInterval(ticking);
    process.send?.(counts);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.(counts);
}

const [, main, argument] = process.argv;
if (main === fileURLToPath(import.meta.url) && argument !== undefined && process.send) {
  await makeNoise(JSON.parse(argument));
}
