// Contents that are legal and new: the provider adds types, fields and values without notice, and a 4xx for one of them
// blocks the whole queue of the webhook until somebody deploys.

import { randomUUID } from 'node:crypto';
import { order } from '../orders.ts';
import type { Probe } from '../probe.ts';
import { mustAcknowledge } from '../verdict.ts';

export const contents: readonly Probe[] = [
  {
    id: 'unknown-type',
    family: 'contents',
    title: 'takes a type that it does not know',
    fix: 'Store or ignore unknown types, and answer 200.',
    phase: 'together',
    async run(stage) {
      const event = { ...order(), type: 'CASH_VOUCHER.ISSUED', object: { id: randomUUID(), amount: '1.00' } };
      return mustAcknowledge(
        await stage.deliver([event], { optional: true }),
        'an event of the type CASH_VOUCHER.ISSUED',
      );
    },
  },
  {
    id: 'unknown-fields',
    family: 'contents',
    title: 'takes fields that it does not know',
    fix: 'Do not forbid additional properties in the schema that you validate with (no .strict()).',
    phase: 'together',
    async run(stage) {
      const event = order();
      event.object['settlement_hint'] = { code: 'T1' };
      const wider = { ...event, schema_version: 2 };
      return mustAcknowledge(
        await stage.deliver([wider]),
        'an event with the fields schema_version and settlement_hint',
      );
    },
  },
  {
    id: 'unknown-enum',
    family: 'contents',
    title: 'takes an enum value that it does not know',
    fix: 'Treat enums as open: keep the text, handle the values you know, have a default.',
    phase: 'together',
    async run(stage) {
      const event = order();
      event.object['status'] = 'PARKED_FOR_REVIEW';
      return mustAcknowledge(await stage.deliver([event]), 'an order with the status PARKED_FOR_REVIEW');
    },
  },
  {
    id: 'nanoseconds',
    family: 'contents',
    title: 'takes timestamps with 0 to 9 fraction digits',
    fix: 'Accept any number of fraction digits in created_at and compare instants, not strings.',
    phase: 'together',
    async run(stage) {
      const second = new Date().toISOString().slice(0, 19);
      const fractions = ['', '.5', '.123456', '.123456789'];
      const events = fractions.map((fraction) => ({ ...order(), created_at: `${second}${fraction}Z` }));
      return mustAcknowledge(await stage.deliver(events), 'created_at with 0, 1, 6 and 9 fraction digits');
    },
  },
];
