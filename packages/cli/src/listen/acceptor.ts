// Receiving through the events acceptor (contract acceptor.md), for machines without a URL that others can reach. Against
// Bellhop deliveries are read with `?after=`: what was not passed on is read again, after a kill too. Upvest's acceptor
// forgets what it hands out; what was read from it is kept in a file until it was passed on, but an answer that is lost on
// its way is lost. A target that is down or refuses holds everything behind it.

import { ApiError, type Client, UpvestError } from '@bellhop/client';
import { CliError, exitCodes } from '../exit.ts';
import { isRecord, textOf } from '../json.ts';
import { pause } from '../wait.ts';
import { failure, type Receiver } from './direct.ts';
import type { Settler } from './settle.ts';
import { type HeldDelivery, type ListenState, readDeliveries, type StateFile } from './state.ts';

export const forgetful =
  'This acceptor forgets what it hands out: an answer that is lost on its way is lost. For no loss: --url with a public URL of yours.';

const base = '/events-acceptor-service';
const downMs = 300;
const leaveMs = 3_000;
const troubleMs = [500, 1_000, 2_000, 5_000];
/** As a provider waits, but nobody wants to wait ten minutes for a terminal. */
const refusedMs = [1_000, 2_000, 3_000, 5_000, 8_000, 13_000, 21_000, 30_000];

export interface Endpoint {
  readonly id: string;
  readonly url: string;
}

export async function checkAcceptor(client: Client): Promise<void> {
  try {
    await client.request('GET', `${base}/health`);
  } catch (error) {
    if (error instanceof ApiError && [404, 502, 503].includes(error.status)) {
      throw new CliError(
        exitCodes.failed,
        `${client.baseUrl} offers no events acceptor (${error.status}).`,
        'Give a public URL that leads here: --url https://… --port …',
      );
    }
    throw error;
  }
}

export async function createEndpoint(client: Client): Promise<Endpoint> {
  const { body } = await client.request('POST', `${base}/endpoints`, { body: '' });
  const [id, url] = isRecord(body) ? [textOf(body['id']), textOf(body['url'])] : [];
  if (id === undefined || url === undefined)
    throw new CliError(exitCodes.failed, 'The events acceptor answered without id and url.');
  return { id, url };
}

export async function deleteEndpoint(client: Client, id: string): Promise<void> {
  await client.request('DELETE', `${base}/endpoints/${id}`);
}

export async function endpointExists(client: Client, { id }: Endpoint, positions: boolean): Promise<boolean> {
  // Asking Upvest would take deliveries away; its webhook tells when the endpoint is gone.
  if (!positions) return true;
  try {
    await client.request('GET', `${base}/endpoints/${id}`, { query: { after: 0 }, signal: AbortSignal.timeout(2_000) });
    return true;
  } catch (error) {
    return !(error instanceof ApiError && error.status === 404);
  }
}

export interface AcceptorOptions {
  /** With a time-out above the acceptor's long poll, and no repeats of its own. */
  readonly client: Client;
  readonly endpoint: Endpoint;
  /** It hands out positions and knows `?after=`. One that turns out not to is treated as one that forgets. */
  readonly positions: boolean;
  readonly settler: Settler;
  readonly file: StateFile;
  readonly state: ListenState;
  readonly onTrouble: (text: string) => void;
}

export function pollAcceptor(options: AcceptorOptions): Receiver {
  const { client, endpoint, settler, file, onTrouble } = options;
  const closing = new AbortController();
  /** For polls whose answer must not be thrown away: they get a little longer. */
  const leaving = new AbortController();
  const broken = failure();
  let state: ListenState = { ...options.state, endpoint };
  let { positions } = options;
  let caughtUp = true;
  let busy = false;
  let troubles = 0;

  async function run(): Promise<void> {
    await file.write(state);
    busy = state.held.length > 0;
    await pass(state.held);
    while (!closing.signal.aborted) {
      const read = await poll();
      busy = read !== undefined && read.length > 0;
      if (read === undefined || read.length === 0) continue;
      if (positions && read.some(({ position }) => position === undefined)) {
        positions = false;
        onTrouble(forgetful);
      }
      if (!positions) {
        state = { ...state, held: read };
        await file.write(state);
      }
      await pass(read);
      busy = false;
    }
  }

  /** In order; ends early only when it is told to stop. */
  async function pass(deliveries: readonly HeldDelivery[]): Promise<void> {
    for (const [index, delivery] of deliveries.entries()) {
      if (!(await settleOne(delivery))) return;
      state = {
        ...state,
        ...(delivery.position === undefined ? {} : { position: delivery.position }),
        held: positions ? [] : deliveries.slice(index + 1),
      };
      await file.write(state);
    }
  }

  async function settleOne(delivery: HeldDelivery): Promise<boolean> {
    const headers = Object.entries(delivery.headers).flatMap(([name, values]) =>
      values.map((value) => [name, value] as const),
    );
    const body = Buffer.from(delivery.payload, 'utf8');
    const receivedAtMs = Date.parse(delivery.created_at);
    const admission = await settler.admit({ headers, body, url: endpoint.url, receivedAtMs });
    if (!admission.ok) {
      // What does not verify is not from the provider: anybody who knows the URL can post. Without keys nobody can tell.
      if (admission.final) return true;
      caughtUp = false;
      await pause(refusedMs[2] ?? downMs, closing.signal);
      return closing.signal.aborted ? false : settleOne(delivery);
    }
    for (let tries = 0; !closing.signal.aborted; ) {
      const settled = await settler.pass(admission.admitted);
      caughtUp = settled !== undefined && settled.status >= 200 && settled.status < 300;
      if (caughtUp) return true;
      const waitMs = settled === undefined ? downMs : (refusedMs[Math.min(tries, refusedMs.length - 1)] ?? downMs);
      if (settled !== undefined) tries += 1;
      await pause(waitMs, closing.signal);
    }
    return false;
  }

  async function poll(): Promise<readonly HeldDelivery[] | undefined> {
    try {
      const query = positions ? { after: state.position } : {};
      const signal = positions ? closing.signal : leaving.signal;
      const { body } = await client.request('GET', `${base}/endpoints/${endpoint.id}`, { query, signal });
      if (troubles > 0) onTrouble('connected again');
      troubles = 0;
      return readDeliveries(body);
    } catch (error) {
      if (closing.signal.aborted) return undefined;
      if (error instanceof ApiError && error.status === 404) {
        throw new CliError(
          exitCodes.failed,
          'The acceptor endpoint is gone.',
          'Start bellhop listen again: it makes a new one.',
        );
      }
      if (!(error instanceof UpvestError)) throw error;
      if (troubles === 0) onTrouble(`${error.message}; trying again`);
      await pause(troubleMs[Math.min(troubles, troubleMs.length - 1)] ?? 0, closing.signal);
      troubles += 1;
      return undefined;
    }
  }

  const running = run().catch((error: unknown) => broken.reject(error));
  return {
    isCaughtUp: () => caughtUp && !busy && state.held.length === 0,
    failed: broken.promise,
    async close() {
      closing.abort();
      const timer = setTimeout(() => leaving.abort(), leaveMs);
      await running;
      clearTimeout(timer);
    },
  };
}
