import { client } from './client.mjs';

const [command = 'list', id = ''] = process.argv.slice(2);
if (command === 'disable') await client.webhooks.disable(id);
else if (command === 'enable') await client.webhooks.enable(id);
else if (command === 'narrow') await client.webhooks.update(id, { type: ['ORDER'] });
else if (command === 'delete') await client.webhooks.delete(id);

for await (const { id, title, enabled, type, url } of client.webhooks.iterate()) {
  console.log(id, enabled ? 'enabled ' : 'disabled', type.join(','), title, url);
}
