// The provider's delivery keys, taken from anything that can list them (the client of @bellhop/client, or your own signed
// call of `GET /auth/verify_keys`). Caching, rotation and the once-a-minute rule are those of `remoteKeySet`.
import type { JsonWebKey } from 'node:crypto';
import type { RemoteKeySet, RemoteKeySetOptions } from '@bellhop/signatures';
import { remoteKeySet } from '@bellhop/signatures';

export interface VerifyKeySource {
  verifyKeys(): Promise<{ readonly keys: readonly JsonWebKey[] }>;
}

export function remoteKeys(
  source: VerifyKeySource,
  options: Omit<RemoteKeySetOptions, 'fetchKeys'> = {},
): RemoteKeySet {
  return remoteKeySet({ ...options, fetchKeys: () => source.verifyKeys() });
}
