// Figures and XML that have to hold for any input.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { histogramOf } from './histogram.ts';
import { packageOf, packageOfSize } from './orders.ts';
import { quantile } from './quantile.ts';
import { probes } from './registry.ts';
import { junitOf } from './report.ts';
import { fail } from './verdict.ts';

const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });

describe('figures', () => {
  it('a quantile is a sample, and grows with its share', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const [low, high] = [quantile(values, 0.5), quantile(values, 0.99)];
        expect(values).toContain(low);
        expect(low).toBeLessThanOrEqual(high);
        expect(quantile(values, 1)).toBe(Math.max(...values));
      }),
    );
  });

  it('a histogram counts every sample once', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const counts = histogramOf(values).map((line) => Number(/(\d+)$/.exec(line)?.[1]));
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
      }),
    );
  });

  it('a package of a size is near to it and never above', () => {
    const bytes = Buffer.byteLength(packageOf(packageOfSize(1_048_576)));
    expect(bytes).toBeLessThanOrEqual(1_048_576);
    expect(bytes).toBeGreaterThan(1_040_000);
  });
});

it('whatever a handler answers, the JUnit file stays XML', () => {
  const [probe] = probes;
  if (probe === undefined) throw new Error('no probes');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (said) => {
      const outcome = { probe, verdict: fail(said), elapsedMs: 1 };
      const report = {
        target: 'http://h/',
        signedBy: 's',
        outcomes: [outcome],
        acknowledgement: undefined,
        elapsedMs: 1,
      };
      const xml = junitOf(report);
      const body = xml.replaceAll(/<[^<>]*>/g, '');
      expect(body).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
      expect(xml.match(/<testcase /g)).toHaveLength(1);
      expect(xml).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/);
    }),
  );
});
