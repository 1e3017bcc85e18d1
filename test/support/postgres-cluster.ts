// A throw-away PostgreSQL cluster for tests: made with `initdb` in a temporary folder, listening on a free loopback port
// and a unix socket in its own folder, with fsync on (tests of durability rely on it).
//
// PostgreSQL refuses to run as root: as root the server runs as the user `postgres` or `nobody`. On Linux the kernel
// ends the server when the test runner dies, however it dies. Nothing here touches a server that was already running.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Cluster {
  /** Connection URL of the database `postgres`, as superuser, over loopback TCP. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Folder of the unix socket. */
  readonly socketDir: string;
  /** The postmaster's process id while the server runs. */
  pid(): number | undefined;
  /** SIGKILL to the postmaster and everything below it: a crash, not a stop. */
  crash(): Promise<void>;
  /** Starts the server again on the same port and data after `crash` or a stop. */
  start(): Promise<void>;
  /** A fast stop that keeps the data. */
  stop(): Promise<void>;
  /** Stops and deletes everything. */
  remove(): Promise<void>;
}

/** The folder with `initdb` and `postgres`, or undefined when PostgreSQL is not installed. */
export async function findPostgresBinaries(): Promise<string | undefined> {
  const candidates: string[] = [];
  try {
    candidates.push((await run('pg_config', ['--bindir'])).stdout.trim());
  } catch {
    // pg_config belongs to a development package; the server can be there without it.
  }
  const debian = '/usr/lib/postgresql';
  if (existsSync(debian)) {
    const versions = (await readdir(debian)).filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(b) - Number(a));
    candidates.push(...versions.map((version) => join(debian, version, 'bin')));
  }
  candidates.push('/usr/local/bin', '/opt/homebrew/bin', '/usr/local/pgsql/bin');
  return candidates.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** `overrides`: server settings besides those of tests, for benchmarks. */
export async function startCluster(
  binaries?: string,
  overrides: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  const bin = binaries ?? (await findPostgresBinaries());
  if (bin === undefined) throw new Error('PostgreSQL is not installed: no initdb found');
  const account = await serverAccount();
  const root = await mkdtemp(join(tmpdir(), 'bellhop-pg-'));
  await chmod(root, 0o755);
  const dataDir = join(root, 'data');
  const socketDir = join(root, 'run');
  for (const folder of [dataDir, socketDir]) {
    await mkdir(folder, { mode: 0o700 });
    if (account) await chown(folder, account.uid, account.gid);
  }
  // --no-sync concerns the making of the empty cluster only; the server runs with fsync on.
  const initdb = asAccount(account, join(bin, 'initdb'), [
    ...['-D', dataDir, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
  ]);
  await run(initdb.command, initdb.args, { cwd: root });

  const port = await freePort();
  const logFile = join(root, 'server.log');
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const log = await open(logFile, 'w');
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: socketDir,
      port,
      fsync: 'on',
      max_connections: 300,
      shared_buffers: '64MB',
      log_min_messages: 'warning',
      ...overrides,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const postgres = asAccount(account, join(bin ?? '', 'postgres'), ['-D', dataDir, ...flags], { tieToParent: true });
    const child = spawn(postgres.command, postgres.args, { cwd: root, stdio: ['ignore', log.fd, log.fd] });
    await log.close();
    child.unref();
    server = child;
    const deadline = Date.now() + 30_000;
    // The eighth line of postmaster.pid is the server's own statement of its state.
    for (;;) {
      const status = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
      const lines = status.split('\n');
      if (lines[0] === String(child.pid) && lines[7]?.trim() === 'ready') return;
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`PostgreSQL did not start: ${await readFile(logFile, 'utf8')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await exited;
  }

  const cluster: Cluster = {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    dataDir,
    socketDir,
    pid: () => server?.pid,
    start,
    stop: () => end('SIGINT'),
    crash: async () => {
      // Backends notice the death of the postmaster by themselves and leave without writing anything.
      await end('SIGKILL');
      await rm(join(dataDir, 'postmaster.pid'), { force: true });
    },
    remove: async () => {
      await end('SIGQUIT');
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
  try {
    await start();
  } catch (error) {
    await cluster.remove();
    throw error;
  }
  return cluster;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The account the server runs as, or undefined when it is our own. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const uid = Number((await run('id', ['-u', name])).stdout);
      const gid = Number((await run('id', ['-g', name])).stdout);
      return { name, uid, gid };
    } catch {
      // The account does not exist; the next one may.
    }
  }
  throw new Error('PostgreSQL cannot run as root, and neither `postgres` nor `nobody` is an account of this machine');
}

function asAccount(
  account: Account | undefined,
  command: string,
  args: readonly string[],
  options: { tieToParent?: boolean } = {},
): { command: string; args: string[] } {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
  if (setpriv === undefined) {
    if (account === undefined) return { command, args: [...args] };
    return { command: 'runuser', args: ['-u', account.name, '--', command, ...args] };
  }
  const flags = options.tieToParent ? ['--pdeathsig', 'QUIT'] : [];
  if (account) flags.push('--reuid', String(account.uid), '--regid', String(account.gid), '--clear-groups');
  if (flags.length === 0) return { command, args: [...args] };
  return { command: setpriv, args: [...flags, command, ...args] };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
