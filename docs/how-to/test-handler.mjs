// A test of a handler against the sending side in memory: node docs/how-to/test-handler.mjs
import assert from 'node:assert/strict';
import { createHandler } from '@bellhop/handler';
import { example, testService } from '@bellhop/handler/testing';

const ran = [];
const service = testService();
const webhooks = createHandler({ keys: service.keys, now: service.clock.now });
webhooks.on('ORDER.*', ({ type }) => void ran.push(type));
service.deliverTo(webhooks);

const placed = example('ORDER.NEW');
service.publish(placed, example('ORDER.FILLED', { after: [placed] })); // two states of one order
await service.settle(); // delivered, over all retries
await webhooks.drain(); // the listeners have run
await service.repeatLast(); // the same package again, as after a lost answer
await webhooks.drain();
assert.deepEqual(ran, ['ORDER.NEW', 'ORDER.FILLED']); // each once, in order
