// The two calls of the operator API that the demo makes, over the wire with the operator token, as an operator would.

import type { UndeliveredEvent } from '@bellhop/events';

export interface Attempt {
  readonly id: string;
  readonly kind: string;
  readonly ok: boolean;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly durationMs: number;
}

export interface OperatorApi {
  publish(clientId: string, events: readonly UndeliveredEvent[]): Promise<{ accepted: number; duplicates: number }>;
  /** The latest attempts of a webhook, newest first. */
  attempts(webhookId: string): Promise<readonly Attempt[]>;
}

const timeoutMs = 10_000;

export function createOperatorApi(baseUrl: string, token: string): OperatorApi {
  async function call(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer: unknown = await response.json();
    const fields = isRecord(answer) ? answer : {};
    if (!response.ok) {
      throw new Error(
        `${method} ${path.split('?')[0]} answered ${response.status} ${String(fields['detail'] ?? fields['title'] ?? '')}`,
      );
    }
    return fields;
  }

  return {
    async publish(clientId, events) {
      const answer = await call('POST', '/operator/events', { client_id: clientId, events });
      return { accepted: Number(answer['accepted']), duplicates: Number(answer['duplicates']) };
    },
    async attempts(webhookId) {
      const { data } = await call('GET', `/operator/attempts?webhook_id=${webhookId}&limit=50`);
      return Array.isArray(data) ? data.filter(isRecord).map(attemptOf) : [];
    },
  };
}

function attemptOf(row: Readonly<Record<string, unknown>>): Attempt {
  const { id, kind, ok, status, reason, duration_ms: durationMs } = row;
  return {
    id: String(id),
    kind: String(kind),
    ok: ok === true,
    status: typeof status === 'number' ? status : undefined,
    reason: typeof reason === 'string' ? reason : undefined,
    durationMs: Number(durationMs),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
