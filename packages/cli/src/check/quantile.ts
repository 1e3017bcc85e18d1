// The value below which a share of the samples lies: nearest rank, no interpolation, so that it is one that was measured.

export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
