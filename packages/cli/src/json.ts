// Reading of JSON whose shape is not known: what the services answer, what people keep in files.

export type Fields = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function recordsOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** A number in this JSON that would come out as another one: too long for a JavaScript number, or too large. */
export function inexactNumber(text: string): string | undefined {
  const numbers = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').match(/-?\d[\d.eE+-]*/g) ?? [];
  return numbers.find((number) => {
    const digits = number
      .replace(/[eE].*/, '')
      .replaceAll(/[-.]/g, '')
      .replaceAll(/^0+|0+$/g, '');
    return digits.length > 15 || !Number.isFinite(Number(number));
  });
}
