// A registered URL for whoever may not know it whole: without user and query, and of its path only what reads as words. The
// path is often the secret itself, as of acceptor endpoints and of most chat and automation tools. It leaves out rather too
// much; a secret that is a plain word, or is in the host's name, stays.

/** Empty for what is no URL. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return '';
  const { origin, pathname, search } = new URL(url);
  const path = pathname
    .split('/')
    .map((segment) => (isPlain(segment) ? segment : '…'))
    .join('/');
  return `${origin}${path}${search === '' ? '' : '?…'}`;
}

const maxShort = 7;
/** Words, capitalised or not, each with a small number at most: `events-acceptor-service`, `tenant_12`, `hooks.php`. A tenant
 * chose the text: every character has one way to be read, or a failing end would be looked for in 2^words ways. */
const words = /^([A-Z][a-z]{1,19}|[a-z]{1,20})\d{0,3}([-_.](([A-Z][a-z]{1,19}|[a-z]{1,20})\d{0,3}|\d{1,3}))*$/;

function isPlain(segment: string): boolean {
  return segment.length <= maxShort || words.test(segment);
}
