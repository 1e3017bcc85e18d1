// What the HTTP API needs of the rest of the service. Everything comes in from outside, so that a test can run the real
// API over an embedded database with a clock of its own.

import type { KeyAlgorithm } from '@bellhop/signatures';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Acceptor } from '../acceptor/acceptor.ts';
import type { TestStart } from '../delivery/test-trigger.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import type { TenantCertificates } from '../keys/tenant-certificates.ts';
import type { EventLog } from '../log/event-log.ts';
import type { LiveView } from '../observe/live.ts';
import type { Rollups } from '../observe/rollups.ts';
import type { Telemetry } from '../observe/telemetry.ts';
import type { Usage } from '../observe/usage.ts';
import type { Database } from '../store/database.ts';
import type { Signals } from '../store/signals.ts';

type UrlVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly detail: string };

/** The part of the target policy that registration needs; the sender applies all of it again at each connect. */
export interface UrlPolicy {
  checkUrl(url: string): UrlVerdict;
  /** Also the addresses that the name has now; one that does not resolve passes. */
  checkTarget(url: string): Promise<UrlVerdict>;
}

export interface ApiConfig {
  readonly operatorToken: string;
  /** Where clients reach this service, without a trailing slash. */
  readonly publicUrl: string;
  /** Where people reach the dashboard, for sign-in links; absent: where whoever asks for one has reached it. */
  readonly dashboardUrl?: string | undefined;
  /** Opens what only a development server may do. */
  readonly dev: boolean;
  /** Algorithms of tenant keys that may sign API calls. */
  readonly acceptedAlgorithms: readonly KeyAlgorithm[];
  /** Per client id and process; absent: no limit. */
  readonly throttle?: { readonly requestsPerSecond: number; readonly burst: number } | undefined;
  /** The same for callers of the operator API, each token on its own. */
  readonly operatorThrottle?: { readonly requestsPerSecond: number; readonly burst: number } | undefined;
  /** Wrong client secrets in a row before a client has to wait; default 5, 0 for no back-off. */
  readonly loginTries?: number | undefined;
  /** Of one tenant; default 1,000. */
  readonly maxWebhooks?: number | undefined;
  /** A dashboard session ends when it is unused for so long; default 30. */
  readonly sessionIdleMinutes?: number | undefined;
}

export interface About {
  readonly version: string;
  readonly startedAt: Date;
  /** In force, without secrets. */
  readonly settings: Readonly<Record<string, string | number | boolean | null>>;
}

export interface ApiDependencies {
  readonly database: Database;
  readonly log: EventLog;
  readonly signals: Signals;
  readonly keys: ServiceKeys;
  readonly certificates: TenantCertificates;
  readonly targets: UrlPolicy;
  readonly acceptor: Acceptor;
  /** Starts one test delivery once `commit` is done; resolves when it is accepted, not when it is over. */
  readonly testTrigger: (webhookId: string, commit: () => Promise<void>) => Promise<TestStart>;
  readonly config: ApiConfig;
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly ready: () => { readonly ready: boolean; readonly reason?: string };
  /** What is going on, for people who look. */
  readonly live: LiveView;
  /** What flowed, per minute. */
  readonly rollups: Rollups;
  readonly about: About;
  /** When keys were used, and which calls were refused. */
  readonly usage: Usage;
  /** Absent: no OpenTelemetry SDK is set up. */
  readonly telemetry?: Pick<Telemetry, 'publishing'> | undefined;
  /** Aborts when the service is about to stop: streams without end, end then. */
  readonly stopping?: AbortSignal | undefined;
  /** Where the service keeps its metrics; absent: the API has a registry of its own. */
  readonly metrics?: Registry | undefined;
}
