// Texts of a sender as columns. PostgreSQL takes no NUL and indexes no long text, and either would refuse the whole package
// again and again, which blocks the sender for ever. So what is unusual in an id, type or key is replaced by its hash; the
// event itself is kept as JSON, where all of this is legal.
import { createHash } from 'node:crypto';

const maxPlainLength = 512;

export function columnText(text: string): string {
  // A text that looks like a hash is hashed as well, so that two texts never become one.
  if (text !== '' && text.length <= maxPlainLength && !/[\u0000-\u001f\u007f\p{Surrogate}]|^sha256:/u.test(text))
    return text;
  // Half a surrogate pair has no UTF-8: two of them would become the same text.
  const encoding = /\p{Surrogate}/u.test(text) ? 'utf16le' : 'utf8';
  return `sha256:${createHash('sha256').update(text, encoding).digest('hex')}`;
}

/** What people read: shortened, without NUL. */
export function noteText(text: string): string {
  return text.slice(0, 2_000).replaceAll('\u0000', '\uFFFD');
}
