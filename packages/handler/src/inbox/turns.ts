// One at a time, first come first served: for what has a single connection. Pure in-process; knows no time-outs.

/** Returns a function that waits for its turn and gives the way to end it. */
export function turns(): () => Promise<() => void> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    let end = (): void => undefined;
    last = new Promise((resolve) => {
      end = () => resolve();
    });
    await before;
    return end;
  };
}
