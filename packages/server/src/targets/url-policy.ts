// Which URLs may be registered and called: contract/api.md (`url`: https, a DNS name, at most 1000 characters) and
// issue 9 "Targets". It judges the text, not only what the WHATWG parser makes of it: that parser forgives back
// slashes, tabs, missing slashes and IPv4 in every spelling, and two parsers that forgive differently are how a check
// is passed by. It resolves nothing; addresses are judged at each connect (guarded-lookup.ts).
import { isIP } from 'node:net';
import { isLoopbackAddress } from './address-rules.ts';

/** `BELLHOP_ALLOW_INSECURE_TARGETS`. `loopback`: also http and this machine. `all`: also http and any host. */
export type InsecureTargets = 'none' | 'loopback' | 'all';

const maxUrlLength = 1000;

export type UrlRefusal =
  | 'too_long'
  /** Control characters, white space, back slashes, text that is not well-formed Unicode. */
  | 'characters'
  | 'syntax'
  | 'scheme'
  | 'credentials'
  | 'fragment'
  | 'port'
  | 'ip_address'
  | 'host_name'
  /** A name that only means something inside a machine or a network: one label, localhost, .internal and the like. */
  | 'local_name'
  /** The operator's own lists (egress-rules.ts). */
  | 'egress';

export type UrlCheck =
  | {
      readonly ok: true;
      readonly url: URL;
      /** Path and query as given, for the request line: the parser would resolve dots and re-encode. */
      readonly requestTarget: string;
    }
  | { readonly ok: false; readonly reason: UrlRefusal; readonly detail: string };

// RFC 6761, 6762, 8375, ICANN's .internal (cloud metadata names live there), and the usual /etc/hosts suffix.
const localSuffixes = ['localhost', 'local', 'internal', 'home.arpa', 'localdomain'];

const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

export function checkUrl(text: string, insecure: InsecureTargets): UrlCheck {
  if (typeof text !== 'string') return refuse('syntax', 'must be a URL');
  if (text.length > maxUrlLength) return refuse('too_long', `must have at most ${maxUrlLength} characters`);
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Z}\\]/u.test(text))
    return refuse('characters', 'must not contain white space, control characters or back slashes');
  if (text.includes('#')) return refuse('fragment', 'must not have a fragment');
  const [, scheme, authority, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^/?]+)(.*)$/i.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined || !URL.canParse(text))
    return refuse('syntax', 'must be an absolute URL such as https://example.com/webhooks');
  // Encoded characters in a host are decoded by the parser; nobody writes them in good faith.
  if (authority.includes('@')) return refuse('credentials', 'must not contain a user name or password');
  if (authority.includes('%')) return refuse('host_name', 'must not have an encoded host name');

  const url = new URL(text);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!isAllowedScheme(url.protocol, hostname, insecure)) return refuse('scheme', 'must start with https://');
  if (url.port === '0' || authority.endsWith(':')) return refuse('port', 'must have a port from 1 to 65535, or none');
  return refuseHost(hostname, insecure) ?? { ok: true, url, requestTarget: requestTarget(rest) };
}

function isAllowedScheme(protocol: string, hostname: string, insecure: InsecureTargets): boolean {
  if (protocol === 'https:') return true;
  if (protocol !== 'http:') return false;
  return insecure === 'all' || (insecure === 'loopback' && isLoopbackHost(hostname));
}

function refuseHost(hostname: string, insecure: InsecureTargets): UrlCheck | undefined {
  if (insecure === 'loopback' && isLoopbackHost(hostname)) return undefined;
  if (isIP(hostname) !== 0) {
    return insecure === 'all' ? undefined : refuse('ip_address', 'must have a DNS name as host, not an IP address');
  }
  const labels = hostname.split('.');
  // A trailing dot makes an empty last label: another spelling of the same host, with another certificate name.
  if (hostname.length > 253 || !labels.every((each) => label.test(each)))
    return refuse('host_name', 'must have a DNS name as host');
  if (insecure === 'all') return undefined;
  if (labels.length < 2) return refuse('local_name', 'must have a full DNS name as host, not a single label');
  if (!/[a-z]/.test(labels.at(-1) ?? '')) return refuse('host_name', 'must have a DNS name as host');
  if (localSuffixes.some((suffix) => hostname === suffix || hostname.endsWith(`.${suffix}`)))
    return refuse('local_name', 'must have a public DNS name as host');
  return undefined;
}

/** RFC 6761, 6.3: these names always mean this machine. */
export function isLocalhostName(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost');
}

function isLoopbackHost(hostname: string): boolean {
  return isLocalhostName(hostname) || isLoopbackAddress(hostname);
}

function requestTarget(rest: string): string {
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  // A request line is ASCII; these are the characters that every client would encode.
  return target.replace(/[^\x21-\x7e]/gu, encodeURIComponent);
}

function refuse(reason: UrlRefusal, detail: string): UrlCheck {
  return { ok: false, reason, detail };
}
