// What a service is started with. The command line makes it from flags and environment; tests and embedders write it.

import type { KeyAlgorithm, SignatureVersion } from '@bellhop/signatures';
import type { TlsOptions } from './delivery/tls.ts';
import type { ListenLimits } from './listen.ts';
import type { EgressOptions } from './targets/egress-rules.ts';

export interface ServiceConfig {
  readonly host: string;
  /** 0: any free port; `Service.url` says which. */
  readonly port: number;
  /** Folder of the embedded database; not used with `databaseUrl`. */
  readonly dataDir: string;
  readonly databaseUrl?: string | undefined;
  /** How long a start waits for a PostgreSQL that does not answer. Default 30,000. */
  readonly databaseWaitMs?: number | undefined;
  readonly operatorToken: string;
  /** Where clients reach the service, when that is not the address it listens on: scheme, host and port, no path. */
  readonly publicUrl?: string | undefined;
  /** A listener of its own for operator API, dashboard and metrics. Default: they share `port`. */
  readonly operatorPort?: number | undefined;
  /** Where that one listens. Default: `host`. */
  readonly operatorHost?: string | undefined;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Development only: http and private addresses as targets of webhooks. */
  readonly insecureTargets: 'none' | 'loopback' | 'all';
  /** Opens what only a development server may do: `POST /operator/sign`, tenants with given ids. */
  readonly dev: boolean;
  /** Of tenant keys that may sign API calls. Default: P-521 and Ed25519, as Upvest; P-256 and P-384 serve older clients. */
  readonly acceptedAlgorithms?: readonly KeyAlgorithm[] | undefined;
  /** Any secret text: private keys of the service are then stored encrypted. */
  readonly keyEncryptionKey?: string | undefined;
  /** The one before: what it sealed opens still, and is sealed under the one of now at start. */
  readonly previousKeyEncryptionKey?: string | undefined;
  /** The active signing key is rotated once it has signed for so many days. Default 90; 0: on demand only. */
  readonly signingKeyRotationDays?: number | undefined;
  /** Of the keys that sign deliveries and are made from now on. Default P-521, as Upvest. */
  readonly signingAlgorithm?: KeyAlgorithm | undefined;
  /** Of the signatures of deliveries. Default 6, as Upvest. */
  readonly signatureVersion?: SignatureVersion | undefined;
  /** Of the API, each tenant at each process. Default 200 calls a second, 400 at once; 0 a second: no limit. */
  readonly requestsPerSecond?: number | undefined;
  readonly requestBurst?: number | undefined;
  /** Of the operator API, each token at each process, publishing apart. Default 1,000, twice that at once; 0: no limit. */
  readonly operatorRequestsPerSecond?: number | undefined;
  /** Wrong client secrets in a row before a client has to wait. Default 5; 0: no waiting. */
  readonly loginTries?: number | undefined;
  /** Of one tenant; one more is a 409. Default 1,000. */
  readonly maxWebhooks?: number | undefined;
  /** A session of the dashboard ends when it is unused for so long, 5 or more. Default 30. */
  readonly sessionIdleMinutes?: number | undefined;
  /** Shown to endpoints that ask for a client certificate, by tenants without one of their own; authorities trusted besides
   * the built-in ones. */
  readonly deliveryTls?: TlsOptions | undefined;
  /** Narrows where deliveries may go. */
  readonly egress?: EgressOptions | undefined;
  /** `http://host:port` of a proxy through which all deliveries go. The environment's proxies are never used. */
  readonly egressProxy?: string | undefined;
  /** DNS servers for the names of endpoints (`ip` or `ip:port`). Default: those of the system. */
  readonly dnsServers?: readonly string[] | undefined;
  /** Of each listener: connections, and how long a request may take to arrive. */
  readonly listenLimits?: ListenLimits | undefined;
  readonly role: 'all' | 'api' | 'worker';
  /** Rows of `partitions`; the count may grow later, tenants stay where they are. Default 64. */
  readonly partitions?: number | undefined;
  /** Events are kept this long, and longer while an enabled webhook has not delivered them. Default 30. */
  readonly eventDays?: number | undefined;
  /** Default 14. */
  readonly attemptDays?: number | undefined;
  /** Of the audit trail; of what a tenant's own calls wrote there the newest 10,000 besides. Default 400. */
  readonly auditDays?: number | undefined;
  /** Name, TCP and TLS of a delivery together. Default 3,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** A whole delivery, connecting included. Default 10,000. */
  readonly responseTimeoutMs?: number | undefined;
  /** Deliveries of this process at a time; a quarter of them to one origin. Default 256. */
  readonly deliveryConcurrency?: number | undefined;
  /** Which attempts get a row; see `KeptAttempts`. Default `all`. */
  readonly attempts?: 'all' | 'failed' | 'sampled' | undefined;
  /** Memory for the recent ends of all partitions that this process runs, and a quarter more for catching up. Default 32 MiB. */
  readonly ringBytes?: number | undefined;
  /** To PostgreSQL, besides those that listen. Default 10. */
  readonly databaseConnections?: number | undefined;
}

export type StartErrorCode =
  | 'port_in_use'
  | 'host_unavailable'
  | 'data_dir_in_use'
  | 'data_dir_unwritable'
  | 'data_dir_foreign'
  | 'database_unavailable'
  | 'database_rejected'
  | 'schema_newer'
  /** A certificate, key, proxy or egress list that cannot be read. */
  | 'settings_unreadable'
  /** Private keys in the database are encrypted with another key-encryption key, or none was given. */
  | 'key_encryption_key';

/** The service could not start; nothing was harmed. `message` is one line, `hint` says what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;
  readonly hint: string;

  constructor(code: StartErrorCode, message: string, hint: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
