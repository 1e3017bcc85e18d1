// AWS Lambda behind an HTTP API: npm run example -- lambda
// A small host on node:http plays API Gateway (payload 2.0, base64 bodies) and the schedule; there is no AWS in it.
import { createServer, type IncomingMessage } from 'node:http';
import type { LambdaEventV2 } from '@bellhop/handler/lambda';
import { listen } from '../shared/run.ts';
import { effects } from '../shared/webhooks.ts';
import { handler, processInbox } from './handler.ts';

const scheduleMs = 500;
/** API Gateway's own limit, beyond the handler's. */
const maxBytes = 10 * 1024 * 1024;

async function eventOf(request: IncomingMessage): Promise<LambdaEventV2 | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const [rawPath = '/', rawQueryString = ''] = (request.url ?? '/').split(/\?(.*)/s);
  const headers = Object.entries(request.headersDistinct).map(([name, lines]) => [name, lines?.join(',')]);
  return {
    version: '2.0',
    rawPath,
    rawQueryString,
    headers: Object.fromEntries(headers),
    requestContext: { http: { method: request.method ?? 'GET' } },
    body: Buffer.concat(chunks).toString('base64'),
    isBase64Encoded: true,
  };
}

const server = createServer(async (request, response) => {
  if (request.method === 'GET' && request.url === '/effects') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(effects.list()));
    return;
  }
  try {
    const event = request.url?.split('?')[0] === '/webhooks' ? await eventOf(request) : undefined;
    if (event === undefined) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    const { statusCode, headers, body } = await handler(event);
    response.writeHead(statusCode, headers).end(body);
  } catch {
    // The caller has gone in the middle of its body.
    response.destroy();
  }
});
listen(server);

let isProcessing = false;
const schedule = setInterval(() => {
  if (isProcessing) return;
  isProcessing = true;
  processInbox()
    .catch((error: unknown) => console.error(error))
    .finally(() => {
      isProcessing = false;
    });
}, scheduleMs);
server.once('close', () => clearInterval(schedule));
