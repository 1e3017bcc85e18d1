// A handler as it is often written, with five mistakes that no test of its own has found. See check.md.
import { importVerificationKey, memoryNonces, messageTarget, staticKeys, verify } from '@bellhop/signatures';
import express from 'express';
import { client } from '../tutorial/client.mjs';

const { keys } = await client.verifyKeys();
const known = new Set();
const options = {
  keys: staticKeys(keys.map((jwk) => importVerificationKey(jwk.kid, jwk))),
  nonces: memoryNonces(),
};

const app = express();
app.use(express.json());
app.post('/webhooks', async (request, response) => {
  const body = Buffer.from(JSON.stringify(request.body));
  const { method, originalUrl, headers } = request;
  const result = await verify({ method, ...messageTarget(originalUrl), headers, body }, options);
  if (!result.ok) return response.status(401).send(result.reason);
  for (const event of request.body.payload) {
    if (known.has(event.id)) return response.status(409).send('already processed');
    if (!/^(ORDER|USER)\./.test(event.type)) return response.status(400).send(`unhandled type ${event.type}`);
    known.add(event.id);
  }
  response.sendStatus(200);
});
app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
