// A backend as an integrator would write it, run as a process of its own to be killed: it receives, and writes each event's
// effect through `ctx.tx`. Told a step, it kills itself there with SIGKILL: nothing is flushed, closed or rolled back by it.
// Listens on a free port and prints it.
import { createServer } from 'node:http';
import { createHandler, toNode } from '@bellhop/handler';
import { postgresInbox } from '@bellhop/handler/postgres';
import { sqliteInbox } from '@bellhop/handler/sqlite';
import { importVerificationKey, staticKeys } from '@bellhop/signatures';
import postgres from 'postgres';

const { database, jwk, leaseMs, armed } = JSON.parse(process.argv[2] ?? '');

let passed = 0;
function step(name) {
  if (name !== armed?.step) return;
  passed += 1;
  if (passed === armed.count) process.kill(process.pid, 'SIGKILL');
}

function openInbox() {
  if (!database.startsWith('postgres:')) {
    const insert = (tx, values) => tx.run('insert into effects (id, key, n) values (?1, ?2, ?3)', values);
    return { inbox: sqliteInbox(database, { leaseMs }), insert };
  }
  const sql = postgres(database, { max: 8, onnotice: () => undefined });
  const insert = (tx, [id, key, n]) => tx`insert into effects (id, key, n) values (${id}, ${key}, ${n})`;
  return { inbox: postgresInbox(sql, { leaseMs }), insert };
}

const { inbox, insert } = openInbox();

/** The inbox with a step before and after each of its calls. */
function stepped(name) {
  return async (...given) => {
    step(`${name}.before`);
    const result = await inbox[name](...given);
    step(`${name}.after`);
    return result;
  };
}

const handler = createHandler({
  keys: staticKeys([importVerificationKey(jwk.kid, jwk)]),
  inbox: {
    ...inbox,
    nonces: {
      async remember(...given) {
        const isNew = await inbox.nonces.remember(...given);
        step('nonce.after');
        return isNew;
      },
    },
    store: stepped('store'),
    claim: stepped('claim'),
    complete: stepped('complete'),
    fail: stepped('fail'),
  },
  retry: { firstDelayMs: 5, maxDelayMs: 20 },
  hooks: { onFailed: () => undefined },
});

handler.fallback(async (event, { tx, attempt }) => {
  step('listener.before');
  await insert(tx, [event.id, event.object.id, event.object.n]);
  step('listener.written');
  // Now and then a listener fails after it has written.
  if (attempt === 1 && event.object.n % 17 === 0) throw new Error('once');
});

const node = toNode(handler);
const server = createServer((request, response) => {
  step('request');
  response.once('finish', () => step('answered'));
  node(request, response);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
await handler.start();
