// The handler as a listener of `node:http`, and of everything that calls `(request, response)`.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Receiver } from './node-exchange.ts';
import { receiveNode, send } from './node-exchange.ts';

export function toNode(handler: Receiver): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    // `receive` never rejects; what could fail is writing to a connection that has gone, which ends itself.
    void receiveNode(handler, request).then((answer) => send(request, response, answer));
  };
}
