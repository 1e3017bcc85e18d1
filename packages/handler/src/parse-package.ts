// Verified bytes to events: `{"payload":[event, ...]}` (contract/delivery.md). Checks the envelope and nothing of what is
// inside an object: unknown types, fields and values are valid, and a 4xx for them would block the sender's queue for ever.
// The package is one unit: one malformed event refuses it whole.
import type { WebhookEvent } from '@bellhop/events';
import { scanPackage } from './package-scan.ts';
import type { ReadResult } from './senders/sender.ts';

const texts = ['id', 'created_at', 'type', 'webhook_id'] as const;
const decoder = new TextDecoder('utf-8', { fatal: true });

export function parsePackage(body: Uint8Array): ReadResult {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(body);
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'malformed_json', detail: 'The body is not JSON in UTF-8' };
  }
  const payload = isRecord(value) ? value['payload'] : undefined;
  if (!Array.isArray(payload) || payload.length === 0) {
    return { ok: false, reason: 'malformed_payload', detail: 'payload must be a list with at least one event' };
  }
  const events: WebhookEvent[] = [];
  for (const [index, item] of payload.entries()) {
    if (!isEvent(item)) {
      return { ok: false, reason: 'malformed_event', detail: `payload[${index}]${faultOf(item)}` };
    }
    events.push(item);
  }
  const { repeated, events: received } = scanPackage(text);
  if (repeated !== undefined) {
    const reason = repeated === 'event' ? 'malformed_event' : 'malformed_payload';
    return { ok: false, reason, detail: `A name is repeated in the ${repeated}: what was meant is not known` };
  }
  return { ok: true, events, texts: received };
}

function isEvent(value: unknown): value is WebhookEvent {
  return faultOf(value) === undefined;
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return ' must be an object';
  const missing = texts.find((name) => typeof value[name] !== 'string' || value[name] === '');
  if (missing !== undefined) return `.${missing} must be a non-empty string`;
  return isRecord(value['object']) ? undefined : '.object must be an object';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
