-- The first schema: every table of the design, so that nothing is rebuilt later. Runs unchanged on PostgreSQL 15+ and PGlite.

-- A tenant lives in exactly one partition; `head` is the last offset handed out, `checkpoint` the offset at which every
-- caught-up webhook of the partition stands. `owner`, `epoch` and `lease_until` fence the worker that runs its lanes.
create table partitions (
  id          integer primary key,
  owner       uuid,
  epoch       bigint not null default 0,
  lease_until timestamptz,
  head        bigint not null default 0,
  checkpoint  bigint not null default 0
);

-- Live workers, so that each takes its share of the partitions.
create table workers (
  id      uuid primary key,
  seen_at timestamptz not null
);

create table tenants (
  client_id             uuid primary key,
  name                  text not null,
  scopes                text[] not null,
  partition             integer not null references partitions (id),
  secret_hash           text not null,
  -- the secret before the last rotation stays good until then
  previous_secret_hash  text,
  previous_secret_until timestamptz,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now()
);

create table tenant_keys (
  key_id     uuid primary key,
  client_id  uuid not null references tenants (client_id) on delete cascade,
  algorithm  text not null,
  public_key text not null,
  created_at timestamptz not null default now()
);
create index tenant_keys_client on tenant_keys (client_id);

-- Access tokens of tenants. Opaque to the holder; only the SHA-256 is kept.
create table tokens (
  token_hash bytea primary key,
  client_id  uuid not null references tenants (client_id) on delete cascade,
  scopes     text[] not null,
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index tokens_expiry on tokens (expires_at);

-- Nonces seen on API calls, shared by all API processes and kept over restarts.
create table nonces (
  key_id     text not null,
  nonce      text not null,
  expires_at timestamptz not null,
  primary key (key_id, nonce)
);
create index nonces_expiry on nonces (expires_at);

-- Keys that sign deliveries. `next` is published before it is used, `retired` for a while after.
create table signing_keys (
  key_id       uuid primary key,
  algorithm    text not null,
  public_jwk   jsonb not null,
  private_key  text not null,
  encrypted    boolean not null default false,
  status       text not null check (status in ('next', 'active', 'retired')),
  published_at timestamptz not null default now(),
  activated_at timestamptz,
  retired_at   timestamptz
);
create unique index signing_keys_one_active on signing_keys (status) where status in ('next', 'active');

create table webhooks (
  id               uuid primary key,
  client_id        uuid not null references tenants (client_id) on delete cascade,
  partition        integer not null references partitions (id),
  title            text not null,
  url              text not null,
  enabled          boolean not null default false,
  type             text[] not null,
  exclude_type     text[],
  delay            text not null,
  max_package_size integer not null,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  -- grows with every change of the row's configuration
  version          bigint not null default 1,
  -- grows when a person moves the cursor (skip, replay): a late answer to what was sent before moves nothing
  position_version bigint not null default 1,
  -- null before the first enabling: then it takes the head of its partition as its cursor
  started_at       timestamptz,
  -- every matching event up to here is delivered; null: the lane stands at its partition's checkpoint
  cursor           bigint,
  -- the package whose attempt failed, kept as it was cut until it succeeds or a person skips or replays
  pending_id            uuid,
  pending_first         bigint,
  pending_last          bigint,
  pending_version       bigint,
  pending_type          text[],
  pending_exclude_type  text[],
  attempts         integer not null default 0,
  next_attempt_at  timestamptz,
  blocked_since    timestamptz,
  blocked_reason   text,
  blocked_status   integer
) with (fillfactor = 70);
create index webhooks_client on webhooks (client_id, created_at, id);
create index webhooks_partition on webhooks (partition);
-- Few rows, and `blocked_since` does not change with a delivery: updates of the cursor stay heap-only.
create index webhooks_blocked on webhooks (blocked_since) where blocked_since is not null;

-- The log. `body` is the JSON text of the event as it is sent, without `webhook_id`.
create table events (
  partition    integer not null,
  event_offset bigint not null,
  client_id    uuid not null,
  id           uuid not null,
  type         text not null,
  body         text not null,
  appended_at  timestamptz not null,
  primary key (partition, event_offset),
  constraint events_id unique (client_id, id)
);

-- One row a package attempt, not an event. Failed ones keep what was sent and what came back.
create table attempts (
  id               uuid primary key,
  webhook_id       uuid not null,
  client_id        uuid not null,
  partition        integer not null,
  kind             text not null check (kind in ('delivery', 'test')),
  package_id       uuid not null,
  attempt          integer not null,
  first_offset     bigint,
  last_offset      bigint,
  event_count      integer not null,
  bytes            integer not null,
  url              text not null,
  started_at       timestamptz not null,
  duration_ms      integer not null,
  ok               boolean not null,
  reason           text,
  status           integer,
  request_headers  jsonb,
  response_headers jsonb,
  response_excerpt text
);
create index attempts_webhook on attempts (webhook_id, started_at desc, id desc);
create index attempts_started on attempts (started_at, id);

-- Ranges that a person skipped: kept so that retention does not take what was never delivered.
create table parked (
  id           uuid primary key,
  webhook_id   uuid not null references webhooks (id) on delete cascade,
  client_id    uuid not null,
  partition    integer not null,
  first_offset bigint not null,
  last_offset  bigint not null,
  event_count  integer not null,
  reason       text,
  parked_at    timestamptz not null default now()
);
create index parked_webhook on parked (webhook_id, first_offset);

-- First answers of calls that carried an idempotency key. `status` null: the first call is still running.
create table idempotency_keys (
  scope        text not null,
  key          uuid not null,
  request_hash bytea not null,
  status       integer,
  headers      jsonb,
  body         text,
  locked_until timestamptz not null,
  created_at   timestamptz not null default now(),
  primary key (scope, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

create table audit (
  id         uuid primary key,
  at         timestamptz not null default now(),
  actor      text not null,
  action     text not null,
  subject    text not null,
  client_id  uuid,
  before     jsonb,
  after      jsonb
);
create index audit_at on audit (at, id);

-- Endpoints of the events acceptor: URLs of the service itself whose deliveries wait here until a poller reads them.
create table acceptor_endpoints (
  id           uuid primary key,
  client_id    uuid not null references tenants (client_id) on delete cascade,
  -- of the unguessable last segment of its URL
  token_hash   bytea not null unique,
  created_at   timestamptz not null,
  -- roughly: an endpoint that nobody polls for a day goes
  polled_at    timestamptz not null,
  -- the last position handed out, and what waits
  head         bigint not null default 0,
  queued       integer not null default 0,
  queued_bytes bigint not null default 0
);
create index acceptor_endpoints_client on acceptor_endpoints (client_id);
create index acceptor_endpoints_age on acceptor_endpoints (polled_at);

create table acceptor_deliveries (
  endpoint_id uuid not null references acceptor_endpoints (id) on delete cascade,
  position    bigint not null,
  received_at timestamptz not null,
  -- JSON, {name: [values]}
  headers     text not null,
  payload     bytea not null,
  bytes       integer not null,
  primary key (endpoint_id, position)
);

-- Operator tokens beside the configured one. Opaque to the holder; only the SHA-256 is kept.
create table operator_tokens (
  id         uuid primary key,
  name       text not null unique,
  role       text not null check (role in ('read', 'operate', 'admin')),
  token_hash bytea not null unique,
  expires_at timestamptz,
  created_at timestamptz not null default now()
);

-- The dashboard's sign-in links (opened once) and the sessions they become; only the SHA-256 of their secrets is kept.
create table operator_sessions (
  secret_hash bytea primary key,
  kind        text not null check (kind in ('link', 'session')),
  actor       text not null,
  role        text not null check (role in ('read', 'operate', 'admin')),
  -- a session ends with the token it was made with
  token_id    uuid references operator_tokens (id) on delete cascade,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index operator_sessions_expiry on operator_sessions (expires_at);

-- What flowed, a row a minute, added to by every process once in ten seconds. `wire_*` counts packages by the time from due
-- to the POST: at most that many milliseconds, `wire_more` the rest.
create table rollups (
  minute             timestamptz primary key,
  published_events   bigint not null default 0,
  duplicate_events   bigint not null default 0,
  delivered_events   bigint not null default 0,
  delivered_packages bigint not null default 0,
  failed_attempts    bigint not null default 0,
  wire_5             bigint not null default 0,
  wire_25            bigint not null default 0,
  wire_100           bigint not null default 0,
  wire_1000          bigint not null default 0,
  wire_more          bigint not null default 0
);
