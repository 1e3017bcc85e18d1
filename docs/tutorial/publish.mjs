// What the other side does: an operator hands events over. Your integration never calls this.
import { example } from '@bellhop/events';
import { client, dev } from './client.mjs';

const events = ['USER.CREATED', 'ORDER.NEW', 'ORDER.FILLED'].map((type) => example(type));
const answer = await fetch(`${client.baseUrl}/operator/events`, {
  method: 'POST',
  headers: { authorization: `Bearer ${dev.operator_token}`, 'content-type': 'application/json' },
  body: JSON.stringify({ client_id: dev.client_id, events }),
});
console.log(answer.status, await answer.text());
