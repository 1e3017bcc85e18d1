// The handler as a plugin of Fastify 5: `app.register(toFastify(webhooks))` answers POST /webhooks. Its content type parser
// is encapsulated: the rest of the app keeps its own. The parser hands the stream on, so that the handler's limit holds and
// its refusal (with a code, counted by its hooks) is the answer, instead of Fastify's `bodyLimit` of 1 MiB and its 413.
// Answers pass through Fastify (hooks, logs), but for those to a body that was not read to its end: see node-exchange.ts.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyPluginAsync } from 'fastify';
import type { RawRequest } from '../raw-http.ts';
import type { Receiver } from './node-exchange.ts';
import { headerPairs, isReadToEnd, send, streamOf } from './node-exchange.ts';

export interface FastifyOptions {
  /** Default `/webhooks`; Fastify's own `prefix` goes before it. */
  readonly path?: string;
}

const remedy =
  'A Fastify hook read the body before the handler got it. Write app.register(toFastify(webhooks)) in a context of its ' +
  'own, beside the plugin whose onRequest or preParsing hook reads request.raw';

export function toFastify(handler: Receiver): FastifyPluginAsync<FastifyOptions> {
  return async (instance, { path = '/webhooks' }) => {
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    instance.post(path, async (request, reply) => {
      const answer = await handler.receive({
        method: request.method,
        url: request.originalUrl,
        headers: headerPairs(request.raw.rawHeaders),
        body: bodyOf(request.raw, request.body),
      });
      if (isReadToEnd(request.raw)) return reply.code(answer.status).headers(answer.headers).send(answer.body);
      reply.hijack();
      send(request.raw, reply.raw, answer);
      return reply;
    });
  };
}

function bodyOf(raw: IncomingMessage, parsed: unknown): RawRequest['body'] {
  // Without a body Fastify calls no parser.
  if (!(parsed instanceof Readable)) return raw.readableDidRead ? { consumed: remedy } : new Uint8Array(0);
  return streamOf(parsed, remedy);
}
