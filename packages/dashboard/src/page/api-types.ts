// What the operator API answers, as far as the pages read it. The OpenAPI document of the server is the full description.

export type State = 'flowing' | 'waiting' | 'retrying' | 'catching up' | 'disabled';
export type Role = 'read' | 'operate' | 'admin';

export interface Page<Row> {
  readonly data: readonly Row[];
  readonly next_cursor: string | null;
}

export interface Session {
  readonly actor: string;
  readonly role: Role;
  readonly expires_at: string | null;
  /** Of a tenant link: whose it is. */
  readonly tenant?: string;
}

export interface BlockedWebhook {
  readonly webhook_id: string;
  readonly title: string;
  readonly url: string;
  readonly client_id: string;
  readonly tenant: string;
  readonly blocked_since: string;
  readonly reason: string | null;
  readonly status: number | null;
  readonly attempts: number;
  readonly next_attempt_at: string | null;
  readonly muted_until: string | null;
  readonly oldest_at: string | null;
  readonly events: number;
  readonly at_least: boolean;
}

export interface Overview {
  readonly at: string;
  readonly webhooks: {
    readonly total: number;
    readonly retrying: number;
    readonly behind: number;
    readonly flowing: number;
    readonly disabled: number;
    readonly muted: number;
  };
  readonly oldest_at: string | null;
  readonly unowned_partitions: number;
  readonly rates: {
    readonly over_seconds: number;
    readonly published: number;
    readonly delivered: number;
    readonly failed_attempts: number;
  };
  readonly blocked: readonly BlockedWebhook[];
}

export interface Counts {
  readonly published: number;
  readonly delivered: number;
  readonly packages: number;
  readonly failed_attempts: number;
  readonly wire_p99_ms: number | null;
}

export interface Rollups {
  readonly step_seconds: number;
  readonly points: readonly (Counts & { readonly at: string })[];
  readonly total: Counts & { readonly skipped: number };
}

export interface Webhook {
  readonly id: string;
  readonly client_id: string;
  readonly title: string;
  readonly url: string;
  readonly enabled: boolean;
  readonly type: readonly string[];
  readonly exclude_type?: readonly string[];
  readonly config: { readonly delay: string; readonly max_package_size: number };
  readonly created_at: string;
  readonly updated_at: string;
  readonly state: State;
  /** These four are the operator's alone. */
  readonly partition?: number;
  readonly cursor?: number;
  readonly head?: number;
  readonly muted_until?: string | null;
  readonly lag: { readonly events: number; readonly seconds: number; readonly at_least: boolean };
  readonly pending: { readonly package_id: string | null } | null;
  readonly attempts: number;
  readonly blocked_since: string | null;
  readonly reason: string | null;
  readonly status: number | null;
  readonly next_attempt_at: string | null;
  readonly last_outcome: {
    readonly attempt_id: string;
    readonly at: string;
    readonly ok: boolean;
    readonly status: number | null;
    readonly reason: string | null;
    readonly duration_ms: number;
  } | null;
}

export interface Attempt {
  readonly id: string;
  readonly webhook_id: string;
  readonly client_id: string;
  readonly kind: 'delivery' | 'test';
  readonly package_id: string;
  readonly attempt: number;
  readonly event_count: number;
  readonly bytes: number;
  readonly url: string;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly ok: boolean;
  readonly reason: string | null;
  readonly status: number | null;
}

export interface AttemptDetail extends Attempt {
  readonly request: {
    readonly headers: Readonly<Record<string, string>> | null;
    readonly signature_base: string | null;
    readonly body: string | null;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, unknown>> | null;
    readonly excerpt: string | null;
  } | null;
  readonly events:
    | readonly { readonly id: string; readonly type: string; readonly created_at: string; readonly offset?: number }[]
    | null;
}

export interface Event {
  readonly id: string;
  readonly created_at: string;
  readonly type: string;
  readonly client_id: string;
  /** Partition and offset are the operator's alone. */
  readonly partition?: number;
  readonly offset?: number;
  readonly appended_at: string;
  readonly bytes: number;
}

export interface EventPage extends Page<Event> {
  readonly searched_back_to: string | null;
}

export interface History {
  readonly read_back_to: string | null;
  readonly points: readonly {
    readonly at: string;
    readonly ok: number;
    readonly failed: number;
    readonly events: number;
    readonly lag_seconds: number;
  }[];
}

export interface Activity {
  readonly data: readonly { readonly webhook_id: string; readonly hours: string }[];
}

export interface Way {
  readonly webhook_id: string;
  readonly title: string;
  readonly url: string;
  readonly enabled: boolean;
  readonly state: 'delivered' | 'waiting' | 'retrying' | 'skipped' | 'not matching' | 'before start';
  readonly delivered_at: string | null;
  readonly next_attempt_at: string | null;
  readonly package_id: string | null;
  readonly attempts: readonly Attempt[];
}

export interface EventDetail extends Omit<Event, 'bytes'> {
  readonly object: Readonly<Record<string, unknown>>;
  readonly webhooks: readonly Way[];
}

export interface Tenant {
  readonly client_id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly partition: number;
  readonly previous_secret_until: string | null;
  readonly created_at: string;
}

export interface TenantKey {
  readonly key_id: string;
  readonly algorithm: string;
  readonly public_key: string;
  readonly created_at: string;
  readonly last_used_at: string | null;
}

export interface TenantLink {
  readonly id: string;
  readonly made_by: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly opened_at: string | null;
}

export interface RefusedCalls {
  readonly reason: string;
  readonly calls: number;
  readonly last_hour: string;
}

export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface SigningKey {
  readonly key_id: string;
  readonly algorithm: string;
  readonly status: 'next' | 'active' | 'retired';
  readonly published_at: string;
  readonly activated_at: string | null;
  readonly retired_at: string | null;
  readonly withdrawn_at: string | null;
}

export interface OperatorToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly expires_at: string | null;
  readonly created_at: string;
}

export interface OpenSession {
  readonly id: string;
  readonly actor: string;
  readonly role: Role;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly expires_at: string;
  readonly current: boolean;
}

export interface System {
  readonly version: string;
  readonly node: string;
  readonly started_at: string;
  readonly settings: Readonly<Record<string, string | number | boolean | null>>;
  readonly database: {
    readonly kind: string;
    readonly version: string;
    readonly bytes: number;
    readonly events_bytes: number;
    readonly attempts_bytes: number;
    readonly accepted_events: number;
    readonly oldest_event_at: string | null;
  };
  readonly workers: readonly {
    readonly id: string;
    readonly seen_seconds_ago: number;
    readonly partitions: number;
  }[];
  readonly partitions: { readonly total: number; readonly unowned: number };
  readonly memory_bytes: number;
}

export interface Parked {
  readonly id: string;
  readonly first_offset?: number;
  readonly last_offset?: number;
  readonly events: number;
  readonly reason: string | null;
  readonly parked_at: string;
}

export interface Moved {
  readonly dry_run: boolean;
  readonly cursor: number;
  readonly events: number;
}
