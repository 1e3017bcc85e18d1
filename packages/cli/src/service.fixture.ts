// For tests: a real `bellhop dev` in a folder of its own, and the command run against it to its end.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { needBuild } from '../../../test/support/build.ts';
import { bellhop, type Run, temporaryFolder } from './program.fixture.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export async function ended(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Promise<Ended> {
  const run = bellhop(args, env, cwd);
  run.child.stdin?.end();
  const code = await run.exit();
  return { code, stdout: run.stdout(), stderr: run.stderr() };
}

export interface DevService {
  readonly url: string;
  readonly devJson: string;
  readonly folder: string;
  /** For commands that are to find the service. */
  readonly env: NodeJS.ProcessEnv;
  readonly run: Run;
  /** A command against the service, to its end. */
  cli(...args: readonly string[]): Promise<Ended>;
  /** Without a command, where many are published or time matters. Gives their ids. */
  publish(events: readonly { readonly id: string }[]): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function startDev(): Promise<DevService> {
  needBuild();
  const folder = await temporaryFolder();
  const dataDir = join(folder.path, 'data');
  const run = bellhop(
    ['dev', '--no-demo', '--port', '0', '--data-dir', dataDir, '--log-level', 'silent'],
    {},
    folder.path,
  );
  const [, url = ''] = await run.see(/ready {2}(http:\S+)/);
  const devJson = join(dataDir, 'dev.json');
  const dev = JSON.parse(await readFile(devJson, 'utf8'));
  const env = {
    BELLHOP_DEV_JSON: devJson,
    XDG_CONFIG_HOME: join(folder.path, 'config'),
    XDG_STATE_HOME: join(folder.path, 'state'),
  };
  return {
    url,
    devJson,
    folder: folder.path,
    env,
    run,
    cli: (...args) => ended(args, env, folder.path),
    async publish(events) {
      const answer = await fetch(`${url}/operator/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${dev.operator_token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: dev.client_id, events }),
      });
      if (answer.status !== 202) throw new Error(`publishing answered ${answer.status}: ${await answer.text()}`);
      return events.map(({ id }) => id);
    },
    async close() {
      await run.stop('SIGTERM');
      await folder.remove();
    },
  };
}
