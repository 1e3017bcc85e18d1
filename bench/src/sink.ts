// A receiver that costs as little as it can: a process of its own, raw TCP, reads each request to its content-length and
// answers 200. Counts packages and bytes. With `hang` in the path it never answers; with `slow` it answers after 200 ms.
//
// `startSink` forks this very file.

import { fork } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface Sink {
  readonly url: string;
  counts(): Promise<{ packages: number; bytes: number; cpuMicros: number }>;
  close(): void;
}

interface Message {
  readonly port?: number;
  readonly counts?: { packages: number; bytes: number; cpuMicros: number };
}

export async function startSink(): Promise<Sink> {
  const child = fork(fileURLToPath(import.meta.url), ['sink']);
  const answer = () => new Promise<Message>((resolve) => child.once('message', (message: Message) => resolve(message)));
  const { port } = await answer();
  return {
    url: `http://127.0.0.1:${port}`,
    async counts() {
      const counted = answer();
      child.send('counts');
      return (await counted).counts ?? { packages: 0, bytes: 0, cpuMicros: 0 };
    },
    close: () => child.kill(),
  };
}

const ok = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
const endOfHead = '\r\n\r\n';

function serve(): void {
  let packages = 0;
  let bytes = 0;

  const handle = (socket: Socket): void => {
    let head: Buffer | undefined;
    let missing = 0;
    let path = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      let at = 0;
      while (at < chunk.length) {
        if (missing === 0) {
          // Only the head becomes text: bodies are 64 KiB.
          const seen: Buffer = head ? Buffer.concat([head, chunk]) : at === 0 ? chunk : chunk.subarray(at);
          const end = seen.indexOf(endOfHead);
          if (end === -1) {
            head = seen;
            return;
          }
          at = chunk.length - (seen.length - end - endOfHead.length);
          head = undefined;
          const text = seen.toString('latin1', 0, end);
          path = text.slice(text.indexOf(' ') + 1, text.indexOf(' HTTP'));
          missing = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
          bytes += missing;
        }
        const taken = Math.min(missing, chunk.length - at);
        missing -= taken;
        at += taken;
        if (missing > 0) return;
        packages += 1;
        if (path.includes('hang')) return;
        if (path.includes('slow')) setTimeout(() => socket.write(ok), 200);
        else socket.write(ok);
      }
    });
  };
  const server = createServer({ noDelay: true }, handle);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ counts: { packages, bytes, cpuMicros: user + system } });
  });
  process.on('disconnect', () => process.exit(0));
}

if (process.argv[2] === 'sink' && process.send) serve();
