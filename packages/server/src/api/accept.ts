// Whether a caller takes JSON (RFC 9110, 12.5.1): of the media ranges that match, the most specific one decides, and a
// weight of 0 means no. A missing or empty header takes anything.

const ranges = ['*/*', 'application/*', 'application/json'];

export function acceptsJson(accept: string | null): boolean {
  if (accept === null || accept.trim() === '') return true;
  let specificity = -1;
  let accepted = false;
  for (const item of accept.split(',')) {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const rank = ranges.indexOf(range);
    if (rank < 0 || rank < specificity) continue;
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const isWanted = weight === undefined || Number(weight.slice(2)) > 0;
    accepted = rank === specificity ? accepted || isWanted : isWanted;
    specificity = rank;
  }
  return accepted;
}
