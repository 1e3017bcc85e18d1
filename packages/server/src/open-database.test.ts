import { pino } from 'pino';
import { expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../test/support/postgres.ts';
import { openDatabase } from './open-database.ts';
import { openPostgres } from './store/postgres.ts';

it.skipIf(!postgresUrl())(
  `gives migrations hours and calls half a minute, and says what it does ${needsPostgres}`,
  async () => {
    // What broke: an index on a large table took longer than a call may take, so no start ever came through.
    const { url, drop } = await freshDatabase();
    const watcher = await openPostgres({ url });
    await watcher.query('create table seen (command text not null, patience text not null)');
    await watcher.query(`create function see() returns event_trigger language plpgsql as $$
    begin insert into seen values (tg_tag, current_setting('statement_timeout')); end $$`);
    await watcher.query('create event trigger see on ddl_command_end execute function see()');
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line) => void lines.push(line) });
    const config = { databaseUrl: url, dataDir: '' };

    const database = await openDatabase(config, logger);
    const [call] = await database.query('show statement_timeout');
    expect(call).toEqual({ statement_timeout: '30s' });
    const seen = await watcher.query<{ patience: string }>('select distinct patience from seen');
    expect(seen).toEqual([{ patience: '6h' }]);
    expect(lines).toEqual([]);
    await database.query('drop index attempts_tests, attempts_tests_client');
    await database.query('delete from migrations where id = 8');
    await database.close();

    await (await openDatabase(config, logger)).close();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"migration":"0008-bound-for-test-deliveries.sql"');
    await watcher.close();
    await drop();
  },
);
