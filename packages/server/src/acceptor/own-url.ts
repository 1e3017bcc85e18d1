// The URLs of acceptor endpoints: which texts are one, and the target policy that takes them. An endpoint's URL may be
// registered although the policy of the network would refuse it (http, loopback, a single label), because no connection
// is ever opened for it: the sender hands such a delivery to the acceptor inside the process (delivery/sender.ts). So
// the allowance reaches nothing but the acceptor's own queue, and the policy of the network stays as it is.
//
// Several processes must agree on the public URL (`BELLHOP_PUBLIC_URL`): to one that goes by another it is a URL like any.
//
// A text is an endpoint's URL only when it equals, character by character, what the service itself would have written.

import type { UrlPolicy } from '../api/dependencies.ts';

export const receivePath = '/events-acceptor-service/receive';

/** 32 random bytes. */
const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

export function isEndpointToken(text: string): boolean {
  return tokenPattern.test(text);
}

export function endpointUrl(publicUrl: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}${receivePath}/${token}`;
}

/** Undefined for any other URL. */
export function endpointTokenOf(publicUrl: string, url: string): string | undefined {
  const token = url.slice(-43);
  return isEndpointToken(token) && url === endpointUrl(publicUrl, token) ? token : undefined;
}

/** The given policy, and besides it the service's own endpoints. */
export function allowEndpoints(policy: UrlPolicy, isEndpoint: (url: string) => boolean): UrlPolicy {
  return {
    checkUrl: (url) => (isEndpoint(url) ? { ok: true } : policy.checkUrl(url)),
    checkTarget: async (url) => (isEndpoint(url) ? { ok: true } : policy.checkTarget(url)),
  };
}
