// What a route of the HTTP API is: its method and path, who may call it, the schemas of what goes in and comes out, and the
// function that does it. One table of these drives the router, the checks before a handler runs, the OpenAPI document and
// the authorization matrix of the tests: a route exists nowhere else.
//
// It holds no logic; `app.ts` runs the checks in the order of the contract (client id, signature, token, scope, route and
// id, accept, input).

import type { z } from 'zod';
import type { Queryable } from '../store/database.ts';
import type { OperatorRole } from '../store/operator-access.ts';
import type { Operator } from './operator-access.ts';
import type { Problem } from './problem.ts';

/**
 * - `public`: no credentials (health, metrics, OpenAPI).
 * - `signed`: a tenant's signature, no token (the token call).
 * - `tenant`: a tenant's signature and token; `scopes` lists the scopes of which one is needed.
 * - `operator`: an operator's bearer token, or the dashboard's session; `role` says what it must be allowed.
 * - `link`: the cookie of a tenant link, which may read what is that tenant's and nothing else.
 */
export type Access = 'public' | 'signed' | 'tenant' | 'operator' | 'link';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The caller, as proved by signature and token. */
export interface Tenant {
  readonly clientId: string;
  readonly partition: number;
  readonly scopes: readonly string[];
}

export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The body as received; the publish route cuts event objects out of these bytes. */
  readonly rawBody: Uint8Array;
  /** The body, unread, when its content type is one of the rule's `streamTypes`; `rawBody` is empty then. */
  readonly stream?: ReadableStream<Uint8Array> | undefined;
  readonly headers: Headers;
  readonly requestId: string;
  /** Set on `signed`, `tenant` and `link` routes. */
  readonly tenant: Tenant | undefined;
  /** Set on `operator` routes. */
  readonly operator: Operator | undefined;
  /** Who did it, for the audit trail: `tenant:<client id>`, `operator` or `operator:<name of the token>`. */
  readonly actor: string;
  readonly signal: AbortSignal;
  /**
   * Stores the answer for repeats with the same `idempotency-key` in the transaction that does the work, so that a crash
   * after the commit cannot do it twice. Does nothing without a key. A handler that does not call it has its answer
   * stored after it returns.
   */
  readonly keepAnswer: (tx: Queryable, answer: Answer) => Promise<void>;
}

export interface Answer {
  readonly status: number;
  /** Serialised as JSON; absent means no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** For what is not JSON (metrics, streams, pages): wins over `body`. */
  readonly response?: Response;
  /** Made by `problem()`: wins over both. */
  readonly problem?: Problem;
}

export interface BodyRule<Body> {
  readonly contentTypes: readonly string[];
  readonly schema: z.ZodType<Body>;
  /** Absent: 64 KiB. */
  readonly maxBytes?: number;
  /** `json`: parsed strictly (UTF-8, no duplicate keys). `form`: urlencoded. `raw`: the handler reads `rawBody`, `schema` only describes it. */
  readonly format: 'json' | 'form' | 'raw';
  readonly required: boolean;
  /** Content types, or the wildcard, whose body may be without end: not read, not limited, handed over as `stream`. An idempotency key is ignored. */
  readonly streamTypes?: readonly string[];
}

export interface Route<Params = unknown, Query = unknown, Body = unknown> {
  readonly method: Method;
  /** OpenAPI form: `/webhooks/{webhook_id}`. A last segment `*` matches any rest (pages and their assets). */
  readonly path: string;
  readonly access: Access;
  readonly scopes?: readonly string[];
  /** Of `operator` routes; absent: `read` for GET, else `operate`. */
  readonly role?: OperatorRole;
  /** A page for people or a part of one: not in the OpenAPI document. */
  readonly isPage?: boolean;
  /** GET changes something here, so HEAD must not be taken for it: it is answered 200, looks at nothing and does nothing. */
  readonly changesByGet?: true;
  /** `ignored`: an `idempotency-key` has no effect here. POST only; absent: honoured. */
  readonly idempotency?: 'ignored';
  /** `ignored`: how often an operator calls it is not limited. Absent: it is. */
  readonly throttle?: 'ignored';
  readonly operationId: string;
  readonly summary: string;
  /** What does not fit is a 404. */
  readonly params?: z.ZodType<Params>;
  /** Whether the thing that the path names is there for this caller; checked before `accept` and input, no is a 404. */
  readonly exists?: (params: Params, tenant: Tenant | undefined) => Promise<boolean>;
  readonly query?: z.ZodType<Query>;
  readonly body?: BodyRule<Body>;
  /** By status; a null schema means no body. `accept` is checked where 406 is listed. */
  readonly responses: Readonly<Record<number, { readonly description: string; readonly schema: z.ZodType | null }>>;
  /** Of `operator` routes: statuses of problems that its handler gives besides those of the checks before it. */
  readonly problems?: readonly number[];
  readonly handle: (call: Call<Params, Query, Body>) => Promise<Answer>;
}

/** Keeps the types of one route's schemas and handler together, then forgets them so that routes fit one table. */
export function route<Params, Query, Body>(definition: Route<Params, Query, Body>): Route {
  return definition as Route;
}
