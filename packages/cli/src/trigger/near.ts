// The names that somebody may have meant.

const maxShown = 4;

export function nearNames(wanted: string, names: readonly string[]): readonly string[] {
  const key = wanted.toLowerCase();
  const last = key.split('.').at(-1) ?? key;
  return names
    .map((name) => ({ name, distance: distanceTo(key, last, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(2, Math.floor(key.length / 3)))
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, maxShown)
    .map(({ name }) => name);
}

/** A name inside another path counts as near. */
function distanceTo(key: string, last: string, name: string): number {
  if (last.length >= 3 && (name.endsWith(`.${last}`) || name.endsWith(`_${last}`))) return 1;
  return Math.min(editDistance(key, name), editDistance(last, name.split('.').at(-1) ?? name) + 1);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
