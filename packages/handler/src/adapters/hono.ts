// The handler for Hono: `app.post('/webhooks', toHono(webhooks))`. The same as `toFetch` on `c.req.raw`, with an error of its
// own for a body that a middleware has read.
import { receiveFetch } from './fetch.ts';
import type { Receiver } from './node-exchange.ts';

const remedy =
  "A Hono middleware read the body before the handler got it. Write app.post('/webhooks', toHono(webhooks)) above the " +
  'app.use() whose middleware calls c.req.json(), text() or parseBody()';

export function toHono(handler: Receiver): (context: { readonly req: { readonly raw: Request } }) => Promise<Response> {
  return ({ req }) => receiveFetch(handler, req.raw, remedy);
}
