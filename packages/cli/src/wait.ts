// Waiting that ends when somebody asks the program to stop.

export function pause(ms: number, signal: AbortSignal): Promise<'over' | 'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve('aborted');
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve(signal.aborted ? 'aborted' : 'over');
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Asks until there is an answer; undefined when the time is over. */
export async function waitFor<T>(
  ask: () => Promise<T | undefined>,
  { everyMs, limitMs, signal }: { readonly everyMs: number; readonly limitMs: number; readonly signal: AbortSignal },
): Promise<T | undefined> {
  const until = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() >= until) return answer;
    if ((await pause(everyMs, signal)) === 'aborted') return undefined;
  }
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
