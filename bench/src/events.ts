// Bodies to publish, made before the clock runs: realistic orders of about 550 bytes, every id new.

import { randomUUID } from 'node:crypto';

function order(sequence: number): Record<string, unknown> {
  return {
    id: randomUUID(),
    created_at: '2026-01-05T09:30:00.000000Z',
    updated_at: '2026-01-05T09:30:00.123456Z',
    account_id: '1ea60f56-b67b-61fc-829a-0242ac130003',
    user_id: '82b49999-1145-4e05-916a-567662daa7bc',
    cash_amount: (100 + (sequence % 900)).toFixed(2),
    currency: 'EUR',
    side: 'BUY',
    instrument_id: 'US0378331005',
    instrument_id_type: 'ISIN',
    order_type: 'MARKET',
    quantity: '10.4',
    status: 'FILLED',
    fee: '0.99',
    initiation_flow: 'API',
    client_reference: `order-${sequence}`,
  };
}

/** JSON bodies of `POST /operator/events`, `perBatch` events each. */
export function publishBodies(clientId: string, events: number, perBatch: number): string[] {
  const bodies: string[] = [];
  for (let start = 0; start < events; start += perBatch) {
    const batch = Array.from({ length: Math.min(perBatch, events - start) }, (_, index) => ({
      id: randomUUID(),
      created_at: new Date(Date.UTC(2026, 0, 5) + start + index).toISOString(),
      type: 'ORDER.FILLED',
      object: order(start + index),
    }));
    bodies.push(JSON.stringify({ client_id: clientId, events: batch }));
  }
  return bodies;
}

/** The same events as rows, for raw inserts. */
export function rawEvents(events: number): { id: string; type: string; body: string }[] {
  return Array.from({ length: events }, (_, index) => {
    const id = randomUUID();
    const created_at = new Date(Date.UTC(2026, 0, 5) + index).toISOString();
    return {
      id,
      type: 'ORDER.FILLED',
      body: JSON.stringify({ id, created_at, type: 'ORDER.FILLED', object: order(index) }),
    };
  });
}

/** Runs `work` over the items, so many at a time, in order of their start. */
export async function inFlight<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
}

export async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
