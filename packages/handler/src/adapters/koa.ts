// The handler as a middleware of Koa 2 and 3: `app.use(toKoa(webhooks))` takes POST and everything else at /webhooks and leaves
// other paths to the next. Before `koa-bodyparser` and the like.
// Answers pass through Koa, but for those to a body that was not read to its end: see node-exchange.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Receiver } from './node-exchange.ts';
import { isReadToEnd, receiveNode, send } from './node-exchange.ts';

export interface KoaOptions {
  /** Default `/webhooks`; null: every path, for a router that has chosen already. */
  readonly path?: string | null;
}

/** What is used of Koa's context. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly path: string;
  status: number;
  body: unknown;
  respond?: boolean;
  set(headers: Record<string, string>): void;
}

const remedy =
  'A Koa middleware parsed the body before the handler got it. Write app.use(toKoa(webhooks)) above app.use(bodyParser())';

export function toKoa(
  handler: Receiver,
  { path = '/webhooks' }: KoaOptions = {},
): (context: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  return async (context, next) => {
    if (path !== null && context.path !== path) {
      await next();
      return;
    }
    const { req, res } = context;
    const answer = await receiveNode(handler, req, remedy);
    if (!isReadToEnd(req)) {
      context.respond = false;
      send(req, res, answer);
      return;
    }
    context.status = answer.status;
    context.set({ ...answer.headers });
    context.body = answer.body;
  };
}
