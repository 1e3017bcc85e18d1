import { client } from './client.mjs';

const [id = ''] = process.argv.slice(2);
const { status } = await client.webhooks.test(id);
console.log(`the test delivery was accepted: ${status}`);
