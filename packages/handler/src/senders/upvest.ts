// The Investment API as a sender: signatures of version 6 and version 15, body `{"payload":[event, ...]}`. This is what
// `createHandler({ keys })` uses; it is named only to choose versions or times. It recognises every request, so it stands
// last in a list.
import type { KeyLookup, SignatureVersion, TimeWindow } from '@bellhop/signatures';
import { verify } from '@bellhop/signatures';
import { parsePackage } from '../parse-package.ts';
import type { Sender } from './sender.ts';

export interface UpvestOptions extends Partial<TimeWindow> {
  readonly keys: KeyLookup;
  /** Default: both. */
  readonly versions?: readonly SignatureVersion[];
}

export function upvest(options: UpvestOptions): Sender {
  const { keys, versions = [6, 15], ...window } = options;
  if (typeof keys?.find !== 'function')
    throw new TypeError('keys must be remoteKeys(client) or an object with find(keyId)');
  return {
    recognises: () => true,
    verify: (message, { nonces, now }) =>
      verify(message, { ...window, keys, versions, nonces, now, tryDecodedPath: true }),
    read: ({ body }) => parsePackage(body),
  };
}
