-- What the dashboard shows and does beyond the first schema: the tenant link, muting, when a key was last used, and which
-- calls were refused.

-- A link that shows one tenant its own webhooks, events and deliveries. It opens until it ends; only the SHA-256 of its
-- secret is kept.
create table tenant_links (
  id          uuid primary key,
  client_id   uuid not null references tenants (client_id) on delete cascade,
  secret_hash bytea not null unique,
  made_by     text not null,
  -- a link ends with the operator token it was made with
  token_id    uuid references operator_tokens (id) on delete cascade,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now(),
  opened_at   timestamptz
);
create index tenant_links_client on tenant_links (client_id, created_at);
create index tenant_links_expiry on tenant_links (expires_at);

-- A blocked webhook that a person has seen: until then it counts for no alert.
alter table webhooks add column muted_until timestamptz;

-- About a minute exact.
alter table tenant_keys add column last_used_at timestamptz;

-- Calls of the tenant API that were refused, by the client id they claimed, the hour and the reason, from a closed list.
create table refused_calls (
  client_id uuid not null references tenants (client_id) on delete cascade,
  hour      timestamptz not null,
  reason    text not null,
  calls     bigint not null,
  primary key (client_id, hour, reason)
);
create index refused_calls_age on refused_calls (hour);
