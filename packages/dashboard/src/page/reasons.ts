// Why an attempt failed, in one sentence, and what to do about it. The codes are the service's closed list of outcomes.

interface Reason {
  readonly says: string;
  readonly fix: string;
}

const reasons: Readonly<Record<string, Reason>> = {
  url_not_allowed: {
    says: 'The URL itself is not allowed',
    fix: 'The tenant must register an https URL with a public DNS name.',
  },
  dns: { says: 'The name does not resolve', fix: 'The tenant must correct the DNS record or the URL.' },
  address_not_allowed: {
    says: 'The name leads to an address that may not be called',
    fix: 'The record points at a private or reserved network: the tenant must correct it.',
  },
  connect_refused: { says: 'Nothing listens there', fix: 'The tenant must start the handler or open its port.' },
  connect_timeout: {
    says: 'The connection was not made in time',
    fix: 'A firewall or an overloaded host: the tenant must let this service through.',
  },
  connection_reset: {
    says: 'The connection broke off',
    fix: 'The tenant must look at the handler or the proxy before it.',
  },
  tls: {
    says: 'The TLS handshake failed',
    fix: 'The tenant must renew or complete the certificate; TLS 1.2 is the oldest.',
  },
  timeout: {
    says: 'No answer in time',
    fix: 'The handler must acknowledge first and work later; the tenant can also lower max_package_size.',
  },
  status_3xx: {
    says: 'Answered with a redirect',
    fix: 'Redirects are not followed: the tenant must register the final URL.',
  },
  status_4xx: {
    says: 'The package was refused',
    fix: 'Often the signature check: the tenant must compare the signature base of the attempt.',
  },
  status_413: {
    says: 'The package is too large for the handler',
    fix: 'The handler must accept 1 MiB bodies, or the tenant must lower max_package_size.',
  },
  status_429: {
    says: 'The handler asked for fewer requests',
    fix: 'The tenant must allow more, or choose a longer delay and larger packages.',
  },
  status_5xx: { says: 'The handler failed', fix: 'The tenant must look at the handler; its answer often says why.' },
  other: { says: 'It failed in a way without a name', fix: 'The service log has the detail under the webhook id.' },
  aborted: { says: 'The service gave the attempt up', fix: 'A restart, replay or delete: nothing to do.' },
};

export function says(reason: string | null, status: number | null): string {
  if (reason === null) return status === null ? 'No reason kept' : `Status ${status}`;
  const known = reasons[reason]?.says ?? reason;
  return status === null ? known : `${known}: ${status}`;
}

export function fixOf(reason: string | null): string | undefined {
  return reason === null ? undefined : reasons[reason]?.fix;
}
