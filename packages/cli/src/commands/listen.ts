// `bellhop listen`: a webhook of its own, received here, verified, shown and, when asked for, forwarded and saved. Nothing is
// taken from the provider before it was passed on, so neither Ctrl-C nor a kill loses an event; the webhook of a killed run
// is found by its title and reused. On a clean exit it is removed when its queue is empty, and never otherwise.

import { type Client, createClient } from '@bellhop/client';
import { remoteKeySet } from '@bellhop/signatures';
import { type Connection, calling, connect, readPrivateKey } from '../connect.ts';
import { shortDuration } from '../duration.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import {
  checkAcceptor,
  createEndpoint,
  deleteEndpoint,
  type Endpoint,
  endpointExists,
  forgetful,
  pollAcceptor,
} from '../listen/acceptor.ts';
import { type DirectReceiver, listenDirect, type Receiver } from '../listen/direct.ts';
import { createForwarder, type Forwarder, forwardUrl } from '../listen/forward.ts';
import { type EventFilter, eventFilter } from '../listen/patterns.ts';
import { defaultTitle, drained, type Registration, register, type Wanted } from '../listen/registration.ts';
import { createResigner } from '../listen/resign.ts';
import { createSettler, openSaveFile, type Settler } from '../listen/settle.ts';
import { openState, type StateFile, stateFolder } from '../listen/state.ts';
import { createOperator } from '../operator.ts';
import { plural } from '../plural.ts';
import type { Target } from '../profiles/target.ts';
import { pause, untilAborted, waitFor } from '../wait.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

export interface ListenFlags extends WriteFlags {
  readonly events?: readonly string[];
  readonly forwardTo?: string;
  readonly resign?: boolean;
  readonly save?: string;
  readonly via?: 'direct' | 'acceptor';
  readonly url?: string;
  readonly port?: number;
  readonly host?: string;
  readonly title?: string;
  readonly delay?: string;
  readonly maxPackageSize?: number;
  readonly keep?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly utc?: boolean;
}

const pollTimeoutMs = 40_000;
const drainMs = 6_000;
const quietMs = 700;

interface Listening {
  readonly connection: Connection;
  readonly registration: Registration;
  readonly receiver: Receiver;
  readonly settler: Settler;
  readonly file: StateFile;
  readonly endpoint: Endpoint | undefined;
  readonly delayMs: number;
}

export async function listen(flags: ListenFlags, context: Context): Promise<ExitCode> {
  const filter = eventFilter(flags.events);
  const target = flags.forwardTo === undefined ? undefined : forwardUrl(flags.forwardTo);
  if (flags.resign && target === undefined) throw usageError('--resign is about forwarding.', 'Add --forward-to.');
  const connection = await connect(flags, context);
  const via =
    flags.via ?? (flags.url !== undefined || connection.target.environment === 'local' ? 'direct' : 'acceptor');
  if (via === 'acceptor' && (flags.url !== undefined || flags.port !== undefined)) {
    throw usageError('--url and --port are for --via direct.');
  }
  const title = flags.title ?? defaultTitle();
  await beforeChange(
    {
      what: `Register webhook ${title}`,
      method: 'POST',
      path: '/webhooks',
      code: `await client.webhooks.create({ title: ${JSON.stringify(title)}, … })`,
    },
    connection.target,
    flags,
    context,
  );

  const file = await openState(context.env, [connection.target.baseUrl, connection.target.clientId, title]);
  const forwarder = target === undefined ? undefined : createForwarder(target);
  const save = flags.save === undefined ? undefined : await openSaveFile(flags.save);
  try {
    const resigner = flags.resign ? await createResigner(connection.operator, stateFolder(context.env)) : undefined;
    if (resigner?.keySetFile !== undefined) {
      context.output.note(
        `signed anew by a key of this machine: let your handler trust the key set ${resigner.keySetFile}`,
      );
    }
    const settler = createSettler({
      keys: remoteKeySet({ fetchKeys: () => connection.client.verifyKeys() }),
      filter,
      forwarder,
      resign: resigner === undefined ? undefined : (arrival, url) => resigner.headers(arrival, url),
      save,
      json: flags.json === true,
      verbose: flags.verbose === true,
      quiet: flags.quiet === true,
      utc: flags.utc === true,
      context,
    });
    const wanted = {
      title,
      categories: filter.categories,
      delay: flags.delay ?? '1s',
      maxPackageSize: flags.maxPackageSize ?? 65_536,
    };
    const start = via === 'direct' ? startDirect : startAcceptor;
    const listening = await start({ connection, wanted, settler, file, target, flags, context });
    announce(listening, filter, forwarder, via, flags, context);
    try {
      await Promise.race([untilAborted(context.signal), listening.receiver.failed]);
    } catch (error) {
      await listening.receiver.close();
      throw error;
    }
    return await stop(listening, flags, context);
  } finally {
    forwarder?.close();
    await save?.close();
    await file.release();
  }
}

interface Start {
  readonly connection: Connection;
  readonly wanted: Omit<Wanted, 'url'>;
  readonly settler: Settler;
  readonly file: StateFile;
  readonly target: URL | undefined;
  readonly flags: ListenFlags;
  readonly context: Context;
}

async function startDirect({ connection, wanted, settler, file, target, flags, context }: Start): Promise<Listening> {
  const { client } = connection;
  const receiver: DirectReceiver = await listenDirect(flags.port ?? 0, flags.host ?? '127.0.0.1');
  try {
    // The target's own path, so that the original signature is true there too.
    const path = target === undefined ? '/webhooks' : `${target.pathname}${target.search}`;
    const url = flags.url ?? `http://127.0.0.1:${receiver.port}${path}`;
    if (target !== undefined && !flags.resign && pathOf(url) !== pathOf(target.href)) {
      context.output.note(
        `the signed path is ${pathOf(url)}, your server is called at ${pathOf(target.href)}: it will refuse the signature; add --resign`,
      );
    }
    const registration = await register(client, connection.target, { ...wanted, url });
    // Nothing is known about what a change does to Upvest's back-off; a Bellhop service repeats at once.
    const isBellhop = connection.target.environment === 'local' || connection.operator !== undefined;
    const nudge = isBellhop
      ? async () => void (await client.webhooks.update(registration.id, { title: wanted.title }))
      : undefined;
    receiver.start({ url, settler, nudge, probe: target });
    return { connection, registration, receiver, settler, file, endpoint: undefined, delayMs: secondsOf(wanted.delay) };
  } catch (error) {
    await receiver.close();
    throw error;
  }
}

async function startAcceptor({ connection, wanted, settler, file, target, flags, context }: Start): Promise<Listening> {
  const { output } = context;
  const positions = !isUpvest(connection.target);
  const client = await pollingClient(connection.target, context);
  const state = await file.read();
  const endpoint = await calling(connection.target, async () => {
    await checkAcceptor(client);
    if (state.endpoint !== undefined && (await endpointExists(client, state.endpoint, positions)))
      return state.endpoint;
    return createEndpoint(client);
  });
  if (target !== undefined && !flags.resign) {
    output.note(
      `the signed path is ${pathOf(endpoint.url)}, not that of your server: a handler that verifies refuses it; add --resign`,
    );
  }
  if (!positions) output.note(forgetful);
  const registration = await register(connection.client, connection.target, { ...wanted, url: endpoint.url });
  const isSame = state.endpoint?.id === endpoint.id;
  const receiver = pollAcceptor({
    client,
    endpoint,
    positions,
    settler,
    file,
    state: isSame ? state : { position: 0, held: state.held },
    onTrouble: (text) => output.note(text),
  });
  return { connection, registration, receiver, settler, file, endpoint, delayMs: secondsOf(wanted.delay) };
}

/** A long poll must outlast the acceptor's patience, and a repeat by itself could lose what the first try took. */
async function pollingClient(target: Target, context: Context): Promise<Client> {
  const clientSecret = target.clientSecret ?? context.env['BELLHOP_CLIENT_SECRET'];
  if (clientSecret === undefined)
    throw usageError(
      'The acceptor is polled for hours: the client secret must be stored.',
      'Set BELLHOP_CLIENT_SECRET.',
    );
  const privateKey = await readPrivateKey(target);
  return createClient({
    baseUrl: target.baseUrl,
    clientId: target.clientId,
    clientSecret,
    key: {
      keyId: target.keyId,
      privateKey,
      ...(target.keyPassphrase === undefined ? {} : { passphrase: target.keyPassphrase }),
    },
    scopes: ['webhooks:admin'],
    timeoutMs: pollTimeoutMs,
    retry: { attempts: 1 },
  });
}

function announce(
  { registration, connection, endpoint }: Listening,
  filter: EventFilter,
  forwarder: Forwarder | undefined,
  via: string,
  flags: ListenFlags,
  { output }: Context,
): void {
  const { target } = connection;
  for (const twin of registration.twins) output.note(`another webhook has this title and is left alone: ${twin}`);
  if (flags.json) {
    output.line(
      JSON.stringify({
        kind: 'ready',
        webhook_id: registration.id,
        reused: registration.reused,
        via,
        forward_to: forwarder?.url ?? null,
        endpoint: endpoint?.url ?? null,
      }),
    );
    return;
  }
  const { green, red, dim } = output.noteColors;
  const where = target.environment === 'live' ? red('LIVE') : target.profile;
  output.note(`${green('ready')}  ${filter.shown} of ${where}${forwarder === undefined ? '' : ` → ${forwarder.url}`}`);
  output.note(
    dim(
      `       webhook ${registration.id}${registration.reused ? ', found again from an earlier run' : ''}, ${via}; Ctrl-C stops`,
    ),
  );
}

async function stop(listening: Listening, flags: ListenFlags, context: Context): Promise<ExitCode> {
  const { settler, receiver, registration, file, endpoint, connection } = listening;
  const { output } = context;
  let waiting = flags.keep ? undefined : await whatWaits(listening);
  await receiver.close();
  // The last answer of an acceptor that forgets may have brought something.
  if (waiting === 0 && !receiver.isCaughtUp()) waiting = 'unknown';
  let removed = false;
  let note = flags.keep ? 'webhook kept' : '';
  if (waiting === 0) {
    try {
      await connection.client.webhooks.delete(registration.id);
      if (endpoint !== undefined) await deleteEndpoint(connection.client, endpoint.id);
      await file.remove();
      removed = true;
      note = 'webhook removed';
    } catch (error) {
      note = `webhook not removed (${error instanceof Error ? error.message : String(error)})`;
    }
  } else if (waiting !== undefined) {
    note = `${waitText(waiting)}, so the webhook stays; go on: bellhop ${process.argv.slice(2).join(' ')}`;
  }
  const { totals } = settler;
  if (flags.json) {
    output.line(JSON.stringify({ kind: 'stopped', ...totals, webhook_removed: removed, waiting: waiting ?? null }));
  } else {
    const refused = totals.refused > 0 ? `, ${totals.refused} refused` : '';
    const bad = totals.bad > 0 ? `, ${totals.bad} not verified` : '';
    output.note(
      `stopped after ${shortDuration(context.elapsedMs())}: ${plural(totals.events, 'event')} in ${plural(totals.packages, 'package')}${refused}${bad}; ${note}`,
    );
  }
  return exitCodes.ok;
}

function waitText(waiting: number | 'unknown'): string {
  if (waiting === 'unknown') return 'events may wait';
  return waiting === 1 ? '1 event waits' : `${plural(waiting, 'event')} wait`;
}

/** How many events wait, after a moment in which what is on its way may still arrive. */
async function whatWaits({ connection, registration, receiver, delayMs }: Listening): Promise<number | 'unknown'> {
  const { signal } = new AbortController();
  const { target } = connection;
  if (target.operatorToken === undefined) {
    // Nobody tells: what has been refused waits for sure; what was published a moment ago may be on its way.
    await pause(delayMs + quietMs, signal);
    return receiver.isCaughtUp() ? 0 : 'unknown';
  }
  try {
    // A connection of its own: the other one ends its calls when the program is told to stop.
    const waiting = await drained(createOperator(target, target.operatorToken), registration.id, drainMs, signal);
    if (waiting > 0) return waiting;
    // Delivered to the acceptor is not yet read from it.
    await pause(quietMs, signal);
    const done = await waitFor(async () => receiver.isCaughtUp() || undefined, {
      everyMs: 100,
      limitMs: drainMs,
      signal,
    });
    return done === true ? 0 : 'unknown';
  } catch (error) {
    if (error instanceof CliError) return 'unknown';
    throw error;
  }
}

function isUpvest({ environment }: Target): boolean {
  return environment === 'sandbox' || environment === 'live';
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

function secondsOf(delay: string): number {
  return (Number.parseInt(delay, 10) || 1) * 1_000;
}
