// The keys and versions that a delivery may be signed with: two keys while one replaces the other, and version 15, which
// API calls use and deliveries may use one day.

import { order, packageOf } from '../orders.ts';
import type { Probe } from '../probe.ts';
import {
  describe,
  fail,
  isAcknowledged,
  isRefused,
  mustAcknowledge,
  mustRefuse,
  pass,
  unknown,
  worst,
} from '../verdict.ts';

export const keys: readonly Probe[] = [
  {
    id: 'key-rotation',
    family: 'keys',
    title: 'takes deliveries of two keys in rotation',
    fix: 'Choose the key by keyid from the whole published set, and fetch the set again for an unknown keyid.',
    phase: 'together',
    async run(stage) {
      if ((await stage.sign({ body: '{}', key: 'next' })) === undefined) {
        return unknown('one key only: give the next one with --next-key-file and --next-key-id');
      }
      const verdicts = [];
      for (const key of ['active', 'next', 'active'] as const) {
        const which = key === 'next' ? 'a delivery signed with the next key of the published set' : 'the active key';
        verdicts.push(mustAcknowledge(await stage.deliver([order()], { key }), which));
      }
      return worst(verdicts);
    },
  },
  {
    id: 'version-15',
    family: 'keys',
    title: 'verifies signature version 15, or refuses it',
    fix: 'Read upvest-signature-version; where it says 15, demand content-digest (SHA-512) and quoted names, or answer 401.',
    phase: 'together',
    async run(stage) {
      const body = packageOf([order()]);
      const signed = await stage.sign({ body, version: 15 });
      if (signed === undefined) return unknown('no key');
      const forged = packageOf([order()]).padEnd(body.length).slice(0, body.length);
      const bad = mustRefuse(
        await stage.attempt({ headers: signed, body: Buffer.from(forged) }, []),
        'version 15 with another body than the signed one',
      );
      if (bad.result !== 'pass') return bad;
      const answer = await stage.deliver([order()], { version: 15 });
      if (isAcknowledged(answer)) return pass('taken, and refused with another body');
      return isRefused(answer)
        ? pass('refused; deliveries have version 6 today')
        : fail(`version 15: ${describe(answer)}`);
    },
  },
];
