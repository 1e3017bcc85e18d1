// The handler for Express 4 and 5: `app.post('/webhooks', toExpress(webhooks))`, above every body parser. It reads the raw
// body by itself, up to the handler's limit instead of the parser's 100 kB; a Buffer that `express.raw` (or `rawBody` of
// NestJS) has kept is taken. A body that is parsed already is refused with `body_consumed` and the line to write: bytes
// made again from a parsed body are not those that were signed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Receiver } from './node-exchange.ts';
import { receiveNode, send } from './node-exchange.ts';

const remedy =
  "Express parsed the body before the handler got it. Write app.post('/webhooks', toExpress(webhooks)) above " +
  'app.use(express.json()); in NestJS, app.use() with it right after NestFactory.create()';

export function toExpress(handler: Receiver): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void receiveNode(handler, request, remedy).then((answer) => send(request, response, answer));
  };
}
