// How fast signatures are verified, beside others doing the same: version 6 by hand on node:crypto alone (no time window, no
// checks of form: the least that a correct message needs), version 15 by `http-message-signatures` (it knows RFC 9421 only,
// and no digest: that is added), HMAC by `standardwebhooks`.

import { createHash, verify as cryptoVerify, type KeyObject } from 'node:crypto';
import { standardWebhooks } from '@bellhop/handler/senders';
import { memoryNonces, verify } from '@bellhop/signatures';
import { httpbis } from 'http-message-signatures';
import { Webhook } from 'standardwebhooks';
import { inFlight, timed } from './events.ts';
import type { Deliveries, Delivery } from './handler-deliveries.ts';
import type { Variant } from './rounds.ts';

export function verifier({ keys, now }: Deliveries): (delivery: Delivery) => Promise<void> {
  return async (delivery) => {
    const { ok } = await verify(delivery, { keys, now });
    if (!ok) throw new Error('A delivery did not verify.');
  };
}

export async function bellhopVerify(deliveries: Deliveries, concurrency: number): Promise<number> {
  return (await rate(deliveries.list, concurrency, verifier(deliveries))).packagesPerSecond;
}

export function verifyVariants(v6: Deliveries, v15: Deliveries, concurrency: number): Variant[] {
  const measured = async (deliveries: Deliveries) => ({
    packagesPerSecond: await bellhopVerify(deliveries, concurrency),
  });
  return [
    { name: 'verify version 6, bellhop', run: () => measured(v6) },
    { name: 'verify version 6, node:crypto alone', run: () => rate(v6.list, concurrency, byHand(v6.publicKey)) },
    { name: 'verify version 15, bellhop', run: () => measured(v15) },
    {
      name: 'verify version 15, http-message-signatures',
      run: () => rate(v15.list, concurrency, byRfcLibrary(v15.publicKey)),
    },
    ...standardWebhooksVariants(v6.list, concurrency),
  ];
}

function byHand(publicKey: KeyObject) {
  return async ({ method, path, headers, body }: Delivery) => {
    const input = /^sig1=(\(([^)]*)\).*)$/.exec(headers['signature-input'] ?? '');
    const [, params = '', covered = ''] = input ?? [];
    const lines = [...covered.matchAll(/"([^"]+)"/g)].map(([, name = '']) => {
      const value = name === '@method' ? method : name === '@path' ? path : headers[name];
      return `${name}: ${value}`;
    });
    const base = Buffer.from([...lines, `@signature-params: ${params}`].join('\n'));
    if (headers['digest'] !== `SHA-256=${createHash('sha256').update(body).digest('base64')}`) {
      throw new Error('The digest differs.');
    }
    const signature = Buffer.from(headers['signature']?.slice('sig1=:'.length, -1) ?? '', 'base64');
    if (!(await verifyInPool(base, publicKey, signature))) throw new Error('By hand it did not verify.');
  };
}

function byRfcLibrary(publicKey: KeyObject) {
  const keyLookup = async () => ({
    verify: (data: Buffer, signature: Buffer) => verifyInPool(data, publicKey, signature),
  });
  // The clock of the deliveries stands still, that of the library does not: its tolerance covers the run.
  const options = { keyLookup, tolerance: 3_600 };
  return async ({ method, path, headers, body }: Delivery) => {
    if (headers['content-digest'] !== `sha-512=:${createHash('sha512').update(body).digest('base64')}:`) {
      throw new Error('The digest differs.');
    }
    const result = await httpbis.verifyMessage(options, {
      method,
      url: `http://localhost${path}`,
      headers: { ...headers },
    });
    if (result !== true) throw new Error('http-message-signatures did not verify.');
  };
}

function standardWebhooksVariants(list: readonly Delivery[], concurrency: number): Variant[] {
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const peer = new Webhook(secret);
  const sender = standardWebhooks({ name: 'BENCH', keys: [secret] });
  const context = { nonces: memoryNonces(), now: Date.now };
  // Signed anew in each run, outside of the clock: the library allows five minutes and takes no other clock.
  const messagesNow = () => {
    const sentAt = new Date();
    return list.map(({ method, url, path, body }, index) => {
      const id = `msg_${index}`;
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
        'webhook-signature': peer.sign(id, sentAt, body.toString()),
      };
      return { method, url, path, headers, byName: new Map(Object.entries(headers)), body };
    });
  };
  type Message = ReturnType<typeof messagesNow>[number];
  const ours = async ({ method, url, path, byName, body }: Message) => {
    const { ok } = await sender.verify({ method, url, path, headers: byName, body }, context);
    if (!ok) throw new Error('A webhook did not verify.');
  };
  const theirs = async ({ headers, body }: Message) => {
    // Refuses by throwing, and parses what it has verified.
    peer.verify(body, headers);
  };
  return [
    { name: 'verify Standard Webhooks, bellhop', run: () => rate(messagesNow(), concurrency, ours) },
    { name: 'verify Standard Webhooks, standardwebhooks', run: () => rate(messagesNow(), concurrency, theirs) },
  ];
}

async function rate<T>(list: readonly T[], concurrency: number, check: (item: T) => Promise<void>) {
  await inFlight(list.slice(0, 50), concurrency, check);
  const seconds = await timed(() => inFlight(list, concurrency, check));
  return { packagesPerSecond: list.length / seconds };
}

function verifyInPool(data: Buffer, key: KeyObject, signature: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    cryptoVerify('sha512', data, key, signature, (error, isTrue) => (error ? reject(error) : resolve(isTrue)));
  });
}
