// `bellhop proxy`: any HTTP tool sends plain requests to this machine; they leave signed, with client id and token.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UpvestError } from '@bellhop/client';
import { importSigningKey } from '@bellhop/signatures';
import { clientOf, readPrivateKey } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { clock } from '../listen/story.ts';
import { resolveTarget, type TargetFlags } from '../profiles/target.ts';
import { type ProxyFile, readProxyFile } from '../proxy/keys-file.ts';
import { type Exchange, startProxy } from '../proxy/signing-proxy.ts';
import { printable } from '../table.ts';
import { untilAborted } from '../wait.ts';
import type { Context } from './context.ts';

export interface ProxyFlags extends TargetFlags {
  readonly port?: number;
  readonly host?: string;
  readonly config?: string;
  readonly token?: boolean;
  readonly verbose?: boolean;
}

interface Source {
  readonly file: ProxyFile;
  readonly from: string;
  readonly tokenOf: ((clientId: string) => Promise<string | undefined>) | undefined;
}

export async function proxy(flags: ProxyFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const source = await sourceOf(flags, context);
  const verbose = flags.verbose ?? source.file.verbose;
  const running = await startProxy({
    keys: source.file.keys,
    tokenOf: flags.token === false ? undefined : source.tokenOf,
    onExchange: (exchange) => show(exchange, verbose, flags.json === true, context),
    port: flags.port ?? source.file.port ?? 3_000,
    host: flags.host ?? '127.0.0.1',
  });
  const url = `http://127.0.0.1:${running.port}`;
  const to = [...new Set(source.file.keys.map(({ baseUrl }) => baseUrl))].join(', ');
  if (flags.json) output.line(JSON.stringify({ kind: 'ready', url, to }));
  else {
    output.note(`${output.noteColors.green('ready')}  ${url} → ${to}`);
    const token =
      flags.token !== false && source.tokenOf !== undefined
        ? 'client id and token are added'
        : 'the client id is added, tokens are yours to send';
    output.note(
      output.noteColors.dim(`       keys of ${source.from}; ${token}; try: curl ${url}/webhooks   (Ctrl-C stops)`),
    );
  }
  await untilAborted(context.signal);
  await running.close();
  return exitCodes.ok;
}

async function sourceOf(flags: ProxyFlags, context: Context): Promise<Source> {
  const given = flags.config ?? context.env['BELLHOP_PROXY_CONFIG'];
  if (given !== undefined) {
    if (flags.profile !== undefined || flags.env !== undefined)
      throw usageError('Give --config or a profile, not both.');
    return { file: await readProxyFile(given), from: given, tokenOf: undefined };
  }
  const near = ['.httpsignature-proxy.yaml', join(homedir(), '.httpsignature-proxy.yaml')].find((path) =>
    existsSync(path),
  );
  if (near !== undefined && flags.profile === undefined && flags.env === undefined) {
    return { file: await readProxyFile(near), from: near, tokenOf: undefined };
  }
  const target = await resolveTarget(flags, context.env);
  const client = await clientOf(target, flags, context);
  const privateKey = await readPrivateKey(target);
  const passphrase = target.keyPassphrase;
  const key = importSigningKey(target.keyId, privateKey, passphrase === undefined ? {} : { passphrase });
  return {
    file: { port: undefined, verbose: false, keys: [{ clientId: target.clientId, baseUrl: target.baseUrl, key }] },
    from: `profile ${target.profile}`,
    tokenOf: async (clientId) => {
      if (clientId !== target.clientId) return undefined;
      try {
        return (await client.token()).accessToken;
      } catch (error) {
        // The request goes without; the API's own 401 tells the tool. Here it is told why.
        if (!(error instanceof UpvestError)) throw error;
        context.output.note(context.output.noteColors.red(`no token: ${error.message}`));
        return undefined;
      }
    },
  };
}

function show(exchange: Exchange, verbose: boolean, json: boolean, { output }: Context): void {
  const { method, path, status, durationMs, failure, requestId, sent, clientId } = exchange;
  if (json) {
    const facts = {
      method,
      path,
      status: status ?? null,
      duration_ms: Math.round(durationMs),
      request_bytes: exchange.requestBytes,
      answer_bytes: exchange.answerBytes,
    };
    output.line(
      JSON.stringify({
        kind: 'exchange',
        at: new Date().toISOString(),
        ...facts,
        client_id: clientId ?? null,
        request_id: requestId ?? null,
        failure: failure ?? null,
      }),
    );
    return;
  }
  const { green, red, yellow, dim } = output.colors;
  const color = status === undefined || status >= 500 ? red : status >= 400 ? yellow : green;
  const parts = [
    dim(clock(false)),
    color(String(status ?? '---')),
    `${Math.round(durationMs)} ms`.padStart(8),
    `${method} ${printable(path)}`,
    dim(`↑ ${exchange.requestBytes} B ↓ ${exchange.answerBytes} B`),
    requestId === undefined ? undefined : dim(`request ${printable(requestId)}`),
    failure === undefined ? undefined : red(failure),
  ];
  output.line(parts.filter((part) => part !== undefined).join('  '));
  if (!verbose) return;
  for (const [name, value] of Object.entries(sent)) {
    output.line(dim(`           ${name}: ${name === 'authorization' ? 'Bearer …' : printable(value)}`));
  }
}
