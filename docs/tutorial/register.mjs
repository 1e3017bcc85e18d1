import { client } from './client.mjs';

const [url = 'http://127.0.0.1:3000/webhooks'] = process.argv.slice(2);
const webhook = await client.webhooks.create({
  title: 'my first webhook',
  url,
  type: ['USER', 'ORDER'],
  config: { delay: '1s', max_package_size: 10240 },
});
await client.webhooks.enable(webhook.id);
console.log(webhook.id);
