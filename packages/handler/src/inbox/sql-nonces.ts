// Nonces in the inbox's database, so that all processes behind one URL agree on what was seen. A nonce that a power cut
// forgets does no harm: the events of a repeated package are known by their ids.
import type { NonceMemory } from '@bellhop/signatures';
import { columnText } from './column-text.ts';
import { groupCommit } from './group-commit.ts';
import type { Dialect, NonceRow, SqlDatabase, Tables } from './sql-database.ts';

const sweepEveryMs = 30_000;
const sweepBatch = 1_000;
const maxGroup = 500;

export function sqlNonces(
  database: SqlDatabase<unknown>,
  dialect: Dialect,
  tables: Tables,
  now: () => number,
): NonceMemory {
  let sweptAt = now();
  const write = groupCommit<NonceRow, boolean>({
    write: (rows) => dialect.rememberNonces(rows),
    weigh: () => 1,
    maxWeight: maxGroup,
    maxWrites: dialect.maxWrites,
  });

  return {
    async remember(keyId, nonce, forgetAfter) {
      const nowMs = now();
      if (Math.abs(nowMs - sweptAt) >= sweepEveryMs) {
        sweptAt = nowMs;
        await database.query(
          `delete from ${tables.nonces} where (key_id, nonce) in (
             select key_id, nonce from ${tables.nonces} where forget_after < $1
             limit ${sweepBatch} ${dialect.skipLocked})`,
          [Math.floor(nowMs / 1000)],
        );
      }
      return write({ keyId: columnText(keyId), nonce: columnText(nonce), forgetAfter: Math.ceil(forgetAfter) });
    },
  };
}
