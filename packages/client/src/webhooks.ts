// The webhook operations (contract/api.md), one function each. Field names are those of the wire. Answers are checked for
// the fields the types promise; unknown fields and categories pass through untouched, because the API adds them in minor
// versions.
import { segment } from './base-url.ts';
import { ApiError, UnexpectedAnswerError } from './errors.ts';
import { isRecord, isStrings } from './json.ts';

export interface WebhookConfig {
  /** `1s` to `30s`; answers of older versions may use minutes, see `delayMs()`. */
  readonly delay?: string;
  /** Bytes, 100 to 1,048,576. */
  readonly max_package_size?: number;
}

export interface Webhook {
  readonly id: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly title: string;
  readonly url: string;
  readonly enabled: boolean;
  /** Categories, or `ALL`. */
  readonly type: readonly string[];
  readonly exclude_type?: readonly string[];
  readonly config: WebhookConfig;
}

export interface NewWebhook {
  readonly title: string;
  readonly url: string;
  readonly type?: readonly string[];
  readonly exclude_type?: readonly string[];
  readonly config?: WebhookConfig;
}

export interface WebhookChanges extends Partial<NewWebhook> {
  readonly enabled?: boolean;
}

export interface ListOptions {
  readonly sort?: 'created_at' | 'updated_at' | 'title' | 'url' | 'enabled';
  readonly order?: 'ASC' | 'DESC';
  readonly offset?: number;
  readonly limit?: number;
}

export interface WebhookPage {
  readonly meta: {
    readonly offset: number;
    readonly limit: number;
    readonly count: number;
    readonly total_count: number;
    readonly sort?: string;
    readonly order?: 'ASC' | 'DESC';
  };
  readonly data: readonly Webhook[];
}

/** What the test trigger says. Upvest's reference shows no body, its guide the handler's answer; both are read. */
export interface TestResult {
  readonly status: number;
  readonly requestId: string | undefined;
  /** The answer of your handler, when the API waited for it. */
  readonly delivery?: {
    readonly url: string;
    readonly response: {
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    };
  };
}

export interface CallSettings {
  readonly signal?: AbortSignal;
}

export interface PostSettings extends CallSettings {
  /** A UUID of your own, to repeat this very call later, for example after a restart. Default: a new one per call. */
  readonly idempotencyKey?: string;
}

export interface Webhooks {
  create(webhook: NewWebhook, settings?: PostSettings): Promise<Webhook>;
  list(options?: ListOptions, settings?: CallSettings): Promise<WebhookPage>;
  /** Every webhook, page by page (`limit` is the page size). Each id once, also when others change the list meanwhile. */
  iterate(options?: ListOptions, settings?: CallSettings): AsyncGenerator<Webhook, void, undefined>;
  get(id: string, settings?: CallSettings): Promise<Webhook>;
  /** Absent fields stay; `config` merges per field. */
  update(id: string, changes: WebhookChanges, settings?: CallSettings): Promise<Webhook>;
  enable(id: string, settings?: CallSettings): Promise<Webhook>;
  disable(id: string, settings?: CallSettings): Promise<Webhook>;
  delete(id: string, settings?: CallSettings): Promise<void>;
  test(id: string, settings?: PostSettings): Promise<TestResult>;
}

export interface RequestOptions extends PostSettings {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

interface Result {
  readonly status: number;
  readonly requestId: string | undefined;
  readonly body: unknown;
}

export type Request = (method: string, path: string, options?: RequestOptions) => Promise<Result>;

export function createWebhooks(request: Request): Webhooks {
  const path = (id: string): string => `/webhooks/${segment(id, 'webhook id')}`;

  async function one(method: string, at: string, options: RequestOptions): Promise<Webhook> {
    const answer = await request(method, at, options);
    return checked(isWebhook, answer, `${method} ${at}`, 'no webhook');
  }

  const webhooks: Webhooks = {
    create: (webhook, settings) => one('POST', '/webhooks', { ...settings, body: webhook }),

    async list(options = {}, settings) {
      const { sort, order, offset, limit } = options;
      const answer = await request('GET', '/webhooks', { ...settings, query: { sort, order, offset, limit } });
      return checked(isPage, answer, 'GET /webhooks', 'no page of webhooks');
    },

    async *iterate(options = {}, settings) {
      const seen = new Set<string>();
      for (let offset = options.offset ?? 0; ; ) {
        const { meta, data } = await webhooks.list({ ...options, offset }, settings);
        for (const webhook of data) {
          if (seen.has(webhook.id)) continue;
          seen.add(webhook.id);
          yield webhook;
        }
        offset += data.length;
        if (data.length === 0 || offset >= meta.total_count) return;
      }
    },

    get: async (id, settings) => one('GET', path(id), { ...settings }),
    update: async (id, changes, settings) => one('PATCH', path(id), { ...settings, body: changes }),
    enable: (id, settings) => webhooks.update(id, { enabled: true }, settings),
    disable: (id, settings) => webhooks.update(id, { enabled: false }, settings),

    async delete(id, settings) {
      try {
        await request('DELETE', path(id), { ...settings });
      } catch (error) {
        // An earlier try lost its answer and this one finds nothing: the earlier one has deleted it.
        if (error instanceof ApiError && error.status === 404 && error.mayHaveHappened) return;
        throw error;
      }
    },

    async test(id, settings) {
      const { status, requestId, body } = await request('POST', `${path(id)}/test`, { ...settings });
      return isDelivery(body) ? { status, requestId, delivery: body } : { status, requestId };
    },
  };
  return webhooks;
}

function checked<T>(is: (value: unknown) => value is T, answer: Result, operation: string, what: string): T {
  if (is(answer.body)) return answer.body;
  const { requestId, status } = answer;
  throw new UnexpectedAnswerError(status, what, { operation, requestId, mayHaveHappened: true });
}

function isWebhook(value: unknown): value is Webhook {
  return (
    isRecord(value) &&
    ['id', 'created_at', 'updated_at', 'title', 'url'].every((name) => typeof value[name] === 'string') &&
    typeof value['enabled'] === 'boolean' &&
    isStrings(value['type']) &&
    (value['exclude_type'] === undefined || isStrings(value['exclude_type'])) &&
    isRecord(value['config'])
  );
}

function isPage(value: unknown): value is WebhookPage {
  if (!isRecord(value) || !isRecord(value['meta'])) return false;
  const { meta, data } = value;
  const counts = ['offset', 'limit', 'count', 'total_count'].every((name) => typeof meta[name] === 'number');
  return counts && Array.isArray(data) && data.every(isWebhook);
}

function isDelivery(value: unknown): value is NonNullable<TestResult['delivery']> {
  if (!isRecord(value) || typeof value['url'] !== 'string' || !isRecord(value['response'])) return false;
  const { status, headers, body } = value['response'];
  return typeof status === 'number' && isRecord(headers) && typeof body === 'string';
}
