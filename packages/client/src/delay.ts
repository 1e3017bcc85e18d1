// `config.delay` as a number. The API takes `1s` to `30s`; older answers may also use minutes (`2m`), so both are read.

export function delayMs(delay: string): number | undefined {
  const match = /^([1-9][0-9]{0,3})([sm])$/.exec(delay);
  if (match === null) return undefined;
  return Number(match[1]) * (match[2] === 'm' ? 60_000 : 1_000);
}
