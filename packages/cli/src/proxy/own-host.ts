// Whether a request was meant for this machine, by its `Host`. A page of a name that its owner points at 127.0.0.1 (DNS
// rebinding) is of one origin with what listens here, so its requests carry neither `origin` nor, in plain http,
// `sec-fetch-site`; the name in `Host` is all that tells. An address cannot be pointed elsewhere.

import { isIP } from 'node:net';

/** `listenHost` is what the user had it listen on; on all addresses any address is its own. */
export function isOwnHost(header: string | undefined, listenHost: string): boolean {
  const name = nameOf(header);
  if (name === undefined) return false;
  if (name === 'localhost' || isLoopback(name) || name === bare(listenHost)) return true;
  const isEverywhere = bare(listenHost) === '0.0.0.0' || /^[:0]+$/.test(bare(listenHost));
  return isEverywhere && isIP(name) !== 0;
}

function nameOf(header: string | undefined): string | undefined {
  const [, name] = /^(\[[\da-f:.]+\]|[^\s:/?#@\\[\]]+)(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return name === undefined ? undefined : bare(name);
}

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, '');

function isLoopback(name: string): boolean {
  return name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
