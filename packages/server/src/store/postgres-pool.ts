// A pool of postgres.js connections, made so that the driver's known defects (3.4.9) do not reach the service:
//
// - After a connection broke inside a transaction the driver sends ROLLBACK on it, which ends the process or leaves the
//   connection unusable (porsager/postgres #1208, #1154), and what the transaction still sends can run inside another one
//   (#1216). Here a transaction that lost its connection sends nothing more.
// - BEGIN may be sent without the connection being set aside when it shares one with many statements (#1189): transactions
//   have connections of their own.
// - A connection that broke at the wrong moment never sends again and times out at every connect (#1215): the pool is
//   replaced when that shows.

import postgres from 'postgres';

export type PoolSettings = postgres.Options<Record<string, postgres.PostgresType>>;

export interface PostgresPool {
  /** Runs one statement of its own. */
  use<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T>;
  /** Commits when `work` resolves. Each statement of it goes through `send`. */
  begin(work: (send: SendInTransaction) => Promise<void>): Promise<void>;
  /** For what keeps a connection of its own. */
  readonly sql: postgres.Sql;
  end(timeoutSeconds: number): Promise<void>;
}

export type SendInTransaction = <T>(statement: (sql: postgres.TransactionSql) => Promise<T>) => Promise<T>;

class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = 'CONNECTION_LOST';

  constructor() {
    super('the connection of this transaction was lost');
  }
}

/** A third of the connections serves transactions only. */
export function openPool(url: string, settings: PoolSettings, maxConnections: number): PostgresPool {
  const forTransactions = Math.max(1, Math.floor(maxConnections / 3));
  const open = {
    statements: () => postgres(url, { ...settings, max: Math.max(1, maxConnections - forTransactions) }),
    transactions: () => postgres(url, { ...settings, max: forTransactions }),
  };
  const current = { statements: open.statements(), transactions: open.transactions() };
  const retiring = new Set<Promise<void>>();
  let ended = false;

  async function on<T>(kind: keyof typeof open, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const sql = current[kind];
    try {
      return await work(sql);
    } catch (error) {
      if (codeOf(error) === 'CONNECT_TIMEOUT' && current[kind] === sql && !ended) {
        current[kind] = open[kind]();
        const retired: Promise<void> = sql.end({ timeout: 5 }).finally(() => retiring.delete(retired));
        retiring.add(retired);
      }
      throw error;
    }
  }

  return {
    get sql() {
      return current.statements;
    },
    use: (work) => on('statements', work),
    begin: (work) =>
      on('transactions', async (sql) => {
        let isLost = false;
        try {
          await sql.begin(async (tx) => {
            const send: SendInTransaction = async (statement) => {
              if (isLost) throw new ConnectionLostError();
              try {
                return await statement(tx);
              } catch (error) {
                isLost ||= isLoss(error);
                throw error;
              }
            };
            // The driver rejects `begin` by itself when the connection closes. Whatever `work` does then, it must not hear
            // of: it would send ROLLBACK or COMMIT on a connection that is gone.
            await work(send).catch(async (error: unknown) => {
              if (isLost) await never();
              throw error;
            });
            if (isLost) await never();
          });
        } finally {
          isLost = true;
        }
      }),
    async end(timeoutSeconds) {
      ended = true;
      await Promise.all([
        current.statements.end({ timeout: timeoutSeconds }),
        current.transactions.end({ timeout: timeoutSeconds }),
        ...retiring,
      ]);
    },
  };
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** The connection is gone, or will be in a moment: the server says FATAL before it closes one. */
function isLoss(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (cause instanceof postgres.PostgresError) return /^(FATAL|PANIC)$/.test(cause.severity);
  return /^(CONNECTION_|E[A-Z])/.test(codeOf(cause) ?? '');
}

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
}
