// The four steps of an integrator (implement a handler, register it, test it, manage it), carried out over the real wire
// with the client and handler packages, as any program outside would: nothing here reaches into the service.
//
// A second start finds its webhook by title and gives it the new address, so that events left over arrive too.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient, type Webhook } from '@bellhop/client';
import { catalogueExample, categories, example, type UndeliveredEvent, type WebhookEvent } from '@bellhop/events';
import { createHandler, memoryInbox, remoteKeys, toNode } from '@bellhop/handler';
import type { DevCredentials } from '../dev-file.ts';
import { plural } from '../plural.ts';
import type { Checklist } from './checklist.ts';
import { type Endpoint, listenOnLoopback } from './endpoint.ts';
import type { Attempt, OperatorApi } from './operator-api.ts';
import { createReceipts, type Receipts } from './receipts.ts';

const webhookTitle = 'bellhop dev demo';
/** The shortest the API offers: the first package leaves a second after its first event, or when it is full. */
const webhookDelay = '1s';
const testTimeoutMs = 15_000;
const deliveryTimeoutMs = 30_000;

export interface Demo {
  readonly endpoint: Endpoint;
  readonly receipts: Receipts;
  close(): Promise<void>;
  /** The client that carries out the steps, once the service is up. */
  connect(baseUrl: string, credentials: DevCredentials): Promise<Client>;
}

/** The handler's side: listening from here on, verifying from `connect` on. */
export async function startHandler(nowMs: () => number): Promise<Demo> {
  const receipts = createReceipts(nowMs);
  const endpoint = await listenOnLoopback((status) => receipts.answered(status));
  let stopHandler = async (): Promise<void> => {};
  return {
    endpoint,
    receipts,
    async connect(baseUrl, { clientId, clientSecret, keyId, privateKey, scopes }) {
      const client = createClient({ baseUrl, clientId, clientSecret, scopes, key: { keyId, privateKey } });
      const handler = createHandler({ keys: remoteKeys(client), inbox: memoryInbox() });
      const record = async (event: WebhookEvent) => receipts.record(event);
      handler.on('*', record).fallback(record);
      await handler.start();
      stopHandler = () => handler.stop();
      endpoint.mount(toNode(handler));
      return client;
    },
    async close() {
      await endpoint.close();
      await stopHandler();
    },
  };
}

export interface Tutorial {
  readonly client: Client;
  readonly demo: Demo;
  readonly api: OperatorApi;
  readonly checklist: Checklist;
  readonly baseUrl: string;
}

/** From "webhook registered" to "delivered". True when every step happened; a failed step ends it with its reason. */
export async function runTutorial(tutorial: Tutorial, signal: AbortSignal): Promise<boolean> {
  const { client, demo, api, checklist, baseUrl } = tutorial;
  const curl = (path: string) => `curl -s -H "authorization: Bearer $TOKEN" ${baseUrl}${path}`;

  const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      if (!signal.aborted) checklist.failed(name, reasonOf(error));
      throw new StepFailed();
    }
  };

  try {
    const found = await step('webhook registered', () => register(client, demo.endpoint.url));
    const { webhook } = found;
    const what = `${webhook.title} → ${webhook.url}`;
    checklist.done(
      'webhook registered',
      found.made ? what : `${what} (found again, address updated)`,
      curl('/operator/webhooks'),
    );

    await step('webhook enabled', () => client.webhooks.enable(webhook.id));
    checklist.done('webhook enabled', `every category, delay ${webhookDelay}`);

    const attempt = await step('test-triggered', () => testTrigger(client, api, webhook.id, signal));
    checklist.done(
      'test-triggered',
      `your handler answered ${attempt.status} in ${attempt.durationMs} ms`,
      `curl -s -X POST -H "authorization: Bearer $TOKEN" ${baseUrl}/operator/webhooks/${webhook.id}/test`,
    );

    const events = firstEvents();
    const ids = new Set(events.map((event) => event.id));
    const published = await step('events published', () => api.publish(client.clientId, events));
    checklist.done(
      'events published',
      `${plural(published.accepted, 'event')}, the example of each of the ${categories.length} categories`,
      `${curl('/operator/events')} -H 'content-type: application/json' -d '${sampleCall(client.clientId)}'`,
    );

    const withLimit = AbortSignal.any([signal, AbortSignal.timeout(deliveryTimeoutMs)]);
    const name = 'delivered, verified, counted';
    const firstMs = await step(name, () => demo.receipts.first(ids, withLimit));
    await step(name, () => demo.receipts.all(ids, withLimit));
    const { packages, invalid } = demo.receipts.counts();
    if (invalid > 0) throw new Error(`${plural(invalid, 'event')} not valid against the schema of the type`);
    checklist.done(
      name,
      `${ids.size} of ${plural(ids.size, 'event')} in ${plural(packages, 'package')}, each valid against its schema`,
      curl(`/operator/attempts?webhook_id=${webhook.id}`),
    );
    checklist.done(`first verified delivery after ${Math.round(firstMs)} ms`);
    return true;
  } catch (error) {
    if (!(error instanceof StepFailed)) checklist.failed('delivered, verified, counted', reasonOf(error));
    return false;
  }
}

/** The step has been reported already. */
class StepFailed extends Error {}

async function register(client: Client, url: string): Promise<{ webhook: Webhook; made: boolean }> {
  for await (const webhook of client.webhooks.iterate()) {
    if (webhook.title !== webhookTitle) continue;
    return { webhook: await client.webhooks.update(webhook.id, { url }), made: false };
  }
  const webhook = await client.webhooks.create({
    title: webhookTitle,
    url,
    type: ['ALL'],
    config: { delay: webhookDelay },
  });
  return { webhook, made: true };
}

/** The call answers before the attempt is over; its outcome is among the attempts. */
async function testTrigger(client: Client, api: OperatorApi, webhookId: string, signal: AbortSignal): Promise<Attempt> {
  const tests = async () => (await api.attempts(webhookId)).filter((attempt) => attempt.kind === 'test');
  const before = new Set((await tests()).map((attempt) => attempt.id));
  await client.webhooks.test(webhookId);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(testTimeoutMs)]);
  for (;;) {
    const attempt = (await tests()).find(({ id }) => !before.has(id));
    if (attempt?.ok === false)
      throw new Error(`the handler was not reached: ${attempt.reason ?? attempt.status ?? 'no reason'}`);
    if (attempt !== undefined) return attempt;
    await sleep(25, undefined, { signal: limit });
  }
}

/** The first-party example of every category, as documented; a new id and time make it a new event at every start. */
function firstEvents(): UndeliveredEvent[] {
  return categories.flatMap(({ name }) => {
    const documented = catalogueExample(name);
    if (documented === undefined) return [];
    const { id, created_at } = example(documented.type);
    return [{ id, created_at, type: documented.type, object: documented.object }];
  });
}

function sampleCall(clientId: string): string {
  const event = { type: 'USER.DATA_CHANGED', object: { id: '2dedfeb0-58cd-44f2-ae08-0e41fe0413d9' } };
  return JSON.stringify({ client_id: clientId, events: [event] });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'TimeoutError' ? 'nothing arrived in time' : error.message;
}
