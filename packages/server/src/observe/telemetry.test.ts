import { describe, expect, it } from 'vitest';
import { openTelemetry } from './telemetry.ts';

describe('telemetry', () => {
  it('is not there, and listens to nothing, where no SDK is registered', async () => {
    let listeners = 0;
    const signals = {
      onAppended() {
        listeners += 1;
        return () => {};
      },
    };
    expect(await openTelemetry(signals, '1.0.0')).toBeUndefined();
    expect(listeners).toBe(0);
  });
});
