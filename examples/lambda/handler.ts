// What is deployed. A Lambda is frozen after its answer, so the listeners run in a second function on a schedule, on the same
// inbox (in AWS that is PostgreSQL: `postgresInbox`, because a Lambda keeps no files).
import { toLambda } from '@bellhop/handler/lambda';
import { webhooks } from '../shared/webhooks.ts';

/** Behind API Gateway or a function URL. */
export const handler = toLambda(webhooks);

/** On a schedule, for example every minute: processes what is due. */
export const processInbox = (): Promise<void> => webhooks.drain();
