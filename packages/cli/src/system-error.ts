// What the operating system said, as a short word for people.

export function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

export function reasonOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (isSystemError(at)) return at.code;
    if (at instanceof AggregateError && isSystemError(at.errors[0])) return at.errors[0].code;
  }
  return error instanceof Error ? error.message : String(error);
}
