// Operator API, the catalogue: every event type this version knows, by category, and an example of one to publish.

import { categories, categoryOf, eventTypes, example, isEventType } from '@bellhop/events';
import { z } from 'zod';
import { problem } from '../problem.ts';
import { type Route, route } from '../route.ts';

export function eventTypeRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      path: '/operator/event-types',
      access: 'operator',
      operationId: 'listEventTypes',
      summary: 'The event types of the catalogue, by category',
      responses: {
        200: {
          description: 'All of them',
          schema: z.strictObject({
            data: z.array(z.strictObject({ category: z.string(), types: z.array(z.string()) })),
          }),
        },
      },
      async handle() {
        const data = categories.map(({ name }) => ({
          category: name,
          types: eventTypes.filter((type) => categoryOf(type) === name),
        }));
        return { status: 200, body: { data } };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/event-types/{type}/example',
      access: 'operator',
      operationId: 'getEventExample',
      summary: 'A new event of a type: fresh ids, times of now, valid',
      params: z.strictObject({ type: z.string().max(100) }),
      responses: {
        200: {
          description: 'Ready to be published',
          schema: z.strictObject({
            id: z.uuid(),
            created_at: z.string(),
            type: z.string(),
            object: z.looseObject({}),
          }),
        },
      },
      async handle({ params }) {
        if (!isEventType(params.type)) return problem('not_found', `The catalogue has no event type ${params.type}`);
        return { status: 200, body: example(params.type) };
      },
    }),
  ];
}
