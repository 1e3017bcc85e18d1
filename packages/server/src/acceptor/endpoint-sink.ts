// Deliveries of this very service to one of its own acceptor endpoints: handed over inside the process. So such a URL works
// wherever the service stands (behind a proxy, on loopback, with a certificate that nobody else trusts), and it is no way
// into the network: what is not an endpoint's URL to the letter goes through the target policy like any other.

import type { LocalEndpoint } from '../delivery/local-endpoint.ts';
import type { Acceptor, Receipt } from './acceptor.ts';

export const receiptStatus: Readonly<Record<Receipt, number>> = { stored: 200, full: 503, unknown: 404, not_text: 400 };

/** For the sender: the endpoint of a URL, undefined when it is none of this service. */
export function acceptorEndpoint(
  acceptor: Pick<Acceptor, 'receive' | 'tokenOf'>,
): (url: string) => LocalEndpoint | undefined {
  return (url) => {
    const token = acceptor.tokenOf(url);
    if (token === undefined) return undefined;
    return async (headers, body) => {
      const receipt = await acceptor.receive(token, { headers: Object.entries(headers), body });
      return { status: receiptStatus[receipt] };
    };
  };
}
