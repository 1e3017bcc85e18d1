// The handler for Next.js, on the Node runtime (not Edge: keys and digests are those of node:crypto).
//
//   app/webhooks/route.ts       export const POST = toRouteHandler(webhooks);
//   pages/api/webhooks.ts       export default toPagesApi(webhooks);
//                               export const config = { api: { bodyParser: false } };
//
// Next cuts a `basePath` off the path; the signature covers the path that the sender called: give `publicTarget` then.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { receiveFetch } from './fetch.ts';
import type { Receiver } from './node-exchange.ts';
import { receiveNode, send } from './node-exchange.ts';

const routeRemedy =
  'The body of the Next.js request was read before the handler got it. Write export const POST = toRouteHandler(webhooks) ' +
  'and do not call request.json() or text()';

const pagesRemedy =
  'Next.js parsed the body before the handler got it. Write export const config = { api: { bodyParser: false } } in the ' +
  'file of the API route';

/** For route handlers of the app router. */
export function toRouteHandler(handler: Receiver): (request: Request) => Promise<Response> {
  return (request) => receiveFetch(handler, request, routeRemedy);
}

/** For API routes of the pages router; resolves when the answer is on its way, which is what Next waits for. */
export function toPagesApi(handler: Receiver): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    send(request, response, await receiveNode(handler, request, pagesRemedy));
  };
}
