// Entry point `@bellhop/events/schemas`: the JSON Schemas of events, deliveries and each category's `object`, for
// tools that bring their own validator or document the events. The object schemas forbid unknown fields: they say
// what the provider sends, and are no reason for a consumer to refuse an event.
import { type JsonSchema, loadCategory, loadEnvelope } from './category-data.ts';

export type { JsonSchema } from './category-data.ts';

const ANY_OBJECT: JsonSchema = Object.freeze({ type: 'object' });

/** Undefined for an unknown category; any object for a category whose schema is not published. */
export function objectSchema(category: string): JsonSchema | undefined {
  const data = loadCategory(category);
  return data === undefined ? undefined : (data.schema ?? ANY_OBJECT);
}

/** One event with its `webhook_id`. */
export const eventSchema: JsonSchema = loadEnvelope().event;

/** The body of a delivery. */
export const deliverySchema: JsonSchema = loadEnvelope().delivery;
