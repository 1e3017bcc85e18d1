// Remembers which nonces were used, so that a captured message cannot be sent again. Contract: "Verify" step 10.
// This one lives in the memory of one process and is bounded: when full of nonces that are still needed it forgets the
// ones that run out soonest, which leaves the smallest gap. Who runs several processes, or must survive a restart,
// gives `verify` a memory on a database instead.

export interface NonceMemory {
  /** False when (keyId, nonce) was seen. `forgetAfter` is in Unix seconds. */
  remember(keyId: string, nonce: string, forgetAfter: number): Promise<boolean>;
  /**
   * True when (keyId, nonce) was seen, as far as that can be told at once. Asked before the signature is verified, so that
   * repeating a captured message costs its receiver no verification; `remember` has the last word.
   */
  isKnown?(keyId: string, nonce: string): boolean;
}

export function memoryNonces(
  options: { maxEntries?: number; now?: () => number } = {},
): Required<NonceMemory> & { size(): number } {
  const { maxEntries = 100_000, now = Date.now } = options;
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) throw new TypeError('maxEntries is a positive integer');
  const seen = new Set<string>();
  // By the second they run out in. A signature lives some minutes at most, so there are few such seconds, and
  // neither sweeping nor finding the earliest one needs a sorted structure.
  const bySecond = new Map<number, string[]>();
  let sweptAt = Number.NEGATIVE_INFINITY;

  function sweep(nowSeconds: number): void {
    if (nowSeconds < sweptAt + 1 && nowSeconds >= sweptAt) return;
    sweptAt = nowSeconds;
    for (const [second, entries] of bySecond) {
      if (second >= nowSeconds) continue;
      for (const entry of entries) seen.delete(entry);
      bySecond.delete(second);
    }
  }

  function evictSoonest(): void {
    let soonest = Number.POSITIVE_INFINITY;
    for (const second of bySecond.keys()) soonest = Math.min(soonest, second);
    const entries = bySecond.get(soonest) ?? [];
    const entry = entries.pop();
    if (entry !== undefined) seen.delete(entry);
    if (entries.length === 0) bySecond.delete(soonest);
  }

  // The length keeps ('a', 'bc') and ('ab', 'c') apart.
  const entryOf = (keyId: string, nonce: string): string => `${keyId.length}:${keyId}${nonce}`;

  return {
    async remember(keyId, nonce, forgetAfter) {
      sweep(now() / 1000);
      const entry = entryOf(keyId, nonce);
      if (seen.has(entry)) return false;
      if (seen.size >= maxEntries) evictSoonest();
      seen.add(entry);
      const second = Math.ceil(forgetAfter);
      const entries = bySecond.get(second);
      if (entries === undefined) bySecond.set(second, [entry]);
      else entries.push(entry);
      return true;
    },
    isKnown(keyId, nonce) {
      sweep(now() / 1000);
      return seen.has(entryOf(keyId, nonce));
    },
    size: () => seen.size,
  };
}
