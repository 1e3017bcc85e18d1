// Publishing a stream: one event a line, `{"client_id", "id"?, "created_at"?, "type", "object"}`, many tenants. Lines are
// committed in chunks while later ones are read; at most one chunk is being committed and one being filled, so a publisher
// that is faster than the database is held back by its own connection instead of filling memory.
//
// The first line that cannot be stored ends the call: what stood before it is committed, its number is reported, and
// sending the rest again is safe when the events carry ids. A chunk goes to each of its partitions in a transaction of its
// own, in ascending order; when one of them fails, later lines of other partitions in that chunk may be stored already.

import type { NewEvent } from './event-log.ts';
import { JsonCursor } from './json-text.ts';
import { decode, type PublishOptions, type PublishPort, toRefusal, unknownClient } from './publish.ts';
import { maxEventBytes, PublishRefusal, readEvent } from './publish-event.ts';

export interface StreamPublished {
  readonly accepted: number;
  readonly duplicates: number;
  /** In order of lines; only when asked for. */
  readonly ids?: readonly string[];
  /** Why it ended early. `error` is not the publisher's fault: the database, mostly. */
  readonly failure?: { readonly line: number; readonly refusal?: PublishRefusal; readonly error?: unknown };
}

export interface StreamOptions extends PublishOptions {
  readonly returnIds: boolean;
}

/** A chunk is closed when it holds either; a publisher that is slower than the database gets smaller ones. */
const maxChunkEvents = 1_000;
const maxChunkBytes = 1024 * 1024;
/** A line may hold more white space than its event will. */
const maxLineBytes = maxEventBytes + 64 * 1024;
/** Ids are collected in memory. */
const maxReturnedIds = 100_000;

interface Line {
  readonly line: number;
  readonly event: NewEvent;
}

type Failure = NonNullable<StreamPublished['failure']>;

export async function publishNdjson(
  port: PublishPort,
  stream: AsyncIterable<Uint8Array>,
  options: StreamOptions,
): Promise<StreamPublished> {
  const ids: string[] = [];
  let accepted = 0;
  let duplicates = 0;
  let failure: Failure | undefined;
  let pending: Line[] = [];
  let pendingBytes = 0;
  let committing: Promise<void> | undefined;

  const startCommit = (): void => {
    const chunk = pending;
    pending = [];
    pendingBytes = 0;
    committing = commitChunk(port, chunk).then((result) => {
      accepted += result.accepted;
      duplicates += result.duplicates;
      failure = result.failure;
      if (options.returnIds) for (const { event } of chunk) ids.push(event.id);
      committing = undefined;
    });
  };

  const readLine = (text: string, line: number): void => {
    let clientId: string | undefined;
    const cursor = new JsonCursor(text);
    const read = readEvent(cursor, text, `line ${line}`, { now: port.now, ...options }, (value) => {
      clientId = value;
    });
    cursor.end();
    if (clientId === undefined) throw new PublishRefusal('invalid', `line ${line}.client_id: is required`);
    pending.push({ line, event: { clientId, ...read } });
    pendingBytes += text.length;
  };

  let line = 0;
  try {
    for await (const block of lineBlocks(stream)) {
      for (const text of linesOf(block)) {
        line += 1;
        if (/^[ \t\r]*$/.test(text)) continue;
        if (options.returnIds && ids.length + pending.length >= maxReturnedIds) {
          throw new PublishRefusal('too_large', `line ${line}: return=ids is for at most ${maxReturnedIds} events`);
        }
        readLine(text, line);
        if (pending.length >= maxChunkEvents || pendingBytes >= maxChunkBytes) {
          await committing;
          if (failure) break;
          startCommit();
        }
      }
      if (failure) break;
      if (!committing && pending.length > 0) startCommit();
    }
  } catch (error) {
    // `line` counts the lines read in full: a block that could not be read failed on the next one.
    const at = error instanceof UnreadableLine ? line + 1 : line;
    const cause = error instanceof UnreadableLine ? error.refusal : error;
    const refusal = toRefusal(cause, `line ${at}`);
    await committing;
    if (!failure && pending.length > 0) {
      startCommit();
      await committing;
    }
    failure ??= { line: at, refusal };
  }
  await committing;
  if (!failure && pending.length > 0) {
    startCommit();
    await committing;
  }
  return { accepted, duplicates, ...(options.returnIds ? { ids } : {}), ...(failure ? { failure } : {}) };
}

/** Never rejects: a failure is part of the result. */
async function commitChunk(
  port: PublishPort,
  chunk: readonly Line[],
): Promise<{ accepted: number; duplicates: number; failure?: Failure }> {
  const lists = new Map<number, Line[]>();
  let failure: Failure | undefined;
  for (const item of chunk) {
    try {
      const partition = await port.partitionOf(item.event.clientId);
      if (partition === undefined) {
        failure = { line: item.line, refusal: unknownClient(item.event.clientId) };
        break;
      }
      const list = lists.get(partition);
      if (list) list.push(item);
      else lists.set(partition, [item]);
    } catch (error) {
      failure = { line: item.line, error };
      break;
    }
  }

  let accepted = 0;
  let duplicates = 0;
  const partitions = [...lists].sort(([a], [b]) => a - b);
  const results = await Promise.allSettled(
    partitions.map(([partition, items]) =>
      port.log.append(
        partition,
        items.map(({ event }) => event),
      ),
    ),
  );
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') {
      accepted += result.value.accepted;
      duplicates += result.value.duplicates;
      continue;
    }
    const first = partitions[index]?.[1][0]?.line ?? 0;
    if (!failure || first < failure.line) failure = { line: first, error: result.reason };
  }
  return { accepted, duplicates, ...(failure ? { failure } : {}) };
}

/** The line after those handed out cannot be read at all. */
class UnreadableLine extends Error {
  override readonly name = 'UnreadableLine';
  readonly refusal: PublishRefusal;

  constructor(refusal: PublishRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

const newline = 0x0a;

/** Blocks of whole lines as text: decoding many lines at once is several times faster than one by one. */
async function* lineBlocks(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let partBytes = 0;
  for await (const bytes of stream) {
    const end = bytes.lastIndexOf(newline);
    const first = end === -1 ? bytes.length : bytes.indexOf(newline);
    if (partBytes + first > maxLineBytes) {
      throw new UnreadableLine(new PublishRefusal('too_large', `a line is larger than ${maxLineBytes} bytes`));
    }
    if (end === -1) {
      // Node reuses no buffer of a request, but a copy frees the large ones that small parts would keep alive.
      parts.push(bytes.slice());
      partBytes += bytes.length;
      continue;
    }
    yield* decodeLines(Buffer.concat([...parts, bytes.subarray(0, end)]));
    const rest = bytes.slice(end + 1);
    parts = [rest];
    partBytes = rest.length;
  }
  if (partBytes > 0) yield* decodeLines(Buffer.concat(parts));
}

/** When a block is not UTF-8, the lines before the bad one still count. */
function* decodeLines(block: Uint8Array): Generator<string> {
  let text: string | undefined;
  try {
    text = decode(block);
  } catch (error) {
    if (!(error instanceof PublishRefusal)) throw error;
  }
  if (text !== undefined) {
    yield text;
    return;
  }
  for (let start = 0; start <= block.length; ) {
    const next = block.indexOf(newline, start);
    const end = next === -1 ? block.length : next;
    try {
      text = decode(block.subarray(start, end));
    } catch (error) {
      throw error instanceof PublishRefusal ? new UnreadableLine(error) : error;
    }
    yield text;
    start = end + 1;
  }
}

function* linesOf(block: string): Generator<string> {
  for (let start = 0; ; ) {
    const end = block.indexOf('\n', start);
    if (end === -1) {
      yield block.slice(start);
      return;
    }
    yield block.slice(start, end);
    start = end + 1;
  }
}
