// Bounds the verifications of signatures that are under way, and says whose turn it is, before anybody is proved. What can be
// told then, at the cost of a hash, decides the line of a call:
//
//   own     the call carries a token that a verified call of the same client id carried here: one line for each client
//   others  all else: token calls, the first use of a token, forgeries. One line for each client id of which something was
//           verified here, and one for all ids that were never heard of
//
// The two kinds have slots of their own. So a stranger, who has no token, waits behind other strangers: not before a tenant
// at work, and made-up ids not before a known one. A forger who knows a client id makes that client's token calls wait and,
// when the line overflows, be repeated; one who has captured a token of the client slows down that client. A tenant that
// sends wrong signatures waits behind itself.
//
// In memory and of this process. Nothing is refused for failures before: what strangers could fill would lock a tenant out.

import { createHash } from 'node:crypto';
import { createFairTurns } from '../fair-turns.ts';

export interface UnprovedCall {
  readonly clientId: string;
  readonly authorization: string | null;
}

export interface VerificationLines {
  /** Undefined when the line was full or too slow: nothing was done. */
  tryRun<T extends NonNullable<unknown>>(call: UnprovedCall, work: () => Promise<T>): Promise<T | undefined>;
  /** The signature of this call was true, and covered `authorization`. */
  proved(call: UnprovedCall): void;
}

const maxWaitMs = 10_000;
/** A client has one for each of its processes, and some that are about to run out. */
const maxTokensEach = 16;
const unknownClients = 'unknown';

export function createVerificationLines(options: {
  /** As many calls as one client may send at once. */
  readonly maxWaitingEach: number;
  readonly maxClients?: number;
}): VerificationLines {
  const { maxWaitingEach, maxClients = 10_000 } = options;
  // All lines together are bounded by the connections: a sum of our own would let some lines close the others.
  const bounds = { maxWaiting: Number.POSITIVE_INFINITY, maxWaitingEach, maxWaitMs };
  // A slot holds a connection of the database or a thread of the pool: some more slots than those, so that none idles.
  const own = createFairTurns({ slots: 8, slotsEach: 4, ...bounds });
  const others = createFairTurns({ slots: 4, slotsEach: 2, ...bounds });
  // Hashes of tokens by client, those proved last at the end.
  const clients = new Map<string, Set<string>>();

  return {
    tryRun({ clientId, authorization }, work) {
      const tokens = clients.get(clientId);
      if (authorization !== null && tokens?.has(hashOf(authorization))) return own.tryRun(clientId, work);
      return others.tryRun(tokens ? clientId : unknownClients, work);
    },

    proved({ clientId, authorization }) {
      const tokens = clients.get(clientId) ?? new Set();
      clients.delete(clientId);
      clients.set(clientId, tokens);
      if (authorization !== null) {
        const hash = hashOf(authorization);
        tokens.delete(hash);
        tokens.add(hash);
      }
      forgetOldest(tokens, maxTokensEach);
      forgetOldest(clients, maxClients);
    },
  };
}

/** The token itself is not kept in memory. */
function hashOf(authorization: string): string {
  return createHash('sha256').update(authorization).digest('base64');
}

function forgetOldest(entries: Map<string, unknown> | Set<string>, most: number): void {
  if (entries.size <= most) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}
