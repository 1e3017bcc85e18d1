// What became of one attempt to post a package. Expected failures are values with a reason from a closed list; each reason
// has one sentence and one fix in the docs, the same word stands in logs, metrics, the database and the API.

export const outcomeReasons = [
  /** The URL itself is refused by the target policy. */
  'url_not_allowed',
  /** The name did not resolve. */
  'dns',
  /** The name resolved to an address that may not be called. */
  'address_not_allowed',
  'connect_refused',
  'connect_timeout',
  'connection_reset',
  'tls',
  /** No complete answer within the response time-out. */
  'timeout',
  'status_3xx',
  'status_4xx',
  'status_413',
  'status_429',
  'status_5xx',
  /** Anything the list does not name; `detail` says what. */
  'other',
  /** Given up by the service itself: shutdown, replay, delete. Says nothing about the endpoint. */
  'aborted',
] as const;

export type OutcomeReason = (typeof outcomeReasons)[number];

export interface AttemptRecord {
  readonly startedAt: Date;
  readonly durationMs: number;
  /** Headers as sent, lower case, with the signature. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly status?: number | undefined;
  readonly responseHeaders?: Readonly<Record<string, string | string[] | undefined>> | undefined;
  /** The first bytes of the response body, as UTF-8 text. */
  readonly responseExcerpt?: string | undefined;
}

export type Outcome =
  | ({ readonly ok: true } & AttemptRecord)
  | ({ readonly ok: false; readonly reason: OutcomeReason; readonly detail: string } & AttemptRecord);

/** One POST: what the sender needs to know of a package. */
export interface PostRequest {
  readonly url: string;
  /** Whose share of the slots it takes, and whose client certificate the connection shows; absent: that of the service, if it
   * has one. */
  readonly clientId?: string | undefined;
  /** A function is asked once there is a slot, so that what waits for one holds no bodies; undefined gives up (`aborted`). */
  readonly body: Uint8Array | (() => Promise<Uint8Array | undefined>);
  readonly signal?: AbortSignal | undefined;
  /** Asked right before the request is written: false gives up (`aborted`). A lease may end while a slot was awaited. */
  readonly mayPost?: (() => boolean) | undefined;
  /** The lane's last attempt failed or took over a second, or it is a test: it shares the slots set aside for such. */
  readonly suspect?: boolean | undefined;
}

/** Signs and posts packages; every policy of the network lives behind it. Rejects with what `body` throws; a failure is an
 * outcome. */
export interface Sender {
  post(request: PostRequest): Promise<Outcome>;
  close(): Promise<void>;
}
