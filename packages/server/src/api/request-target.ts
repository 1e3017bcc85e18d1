// The request target as it came over the wire. Signatures cover these exact characters, so nothing is decoded, joined or
// normalised here: `//webhooks`, `/./webhooks` and `/%77ebhooks` are other paths than `/webhooks`.

import { messageTarget } from '@bellhop/signatures';
import type { HttpBindings } from '@hono/node-server';

export interface RequestTarget {
  /** Raw path, starting with '/'. */
  readonly path: string;
  /** Raw query without its '?'; undefined when there is none. */
  readonly query: string | undefined;
}

/** What `@hono/node-server` passes along; absent when a test calls the app without a server. */
export type NodeBindings = Partial<HttpBindings>;

/** `Request.url` is normalised by the URL parser, the incoming message of node:http is not. */
export function requestTarget(request: Request, env: NodeBindings | undefined): RequestTarget {
  return readTarget(env?.incoming?.url ?? request.url);
}

/** Origin form (`/a?b`) as it is; absolute form (`http://host/a?b`, what proxies send) cut after the authority. */
function readTarget(raw: string): RequestTarget {
  const target = raw.replace(/^https?:\/\/[^/?#]*/i, '');
  return messageTarget(target.startsWith('/') ? target : `/${target}`);
}
