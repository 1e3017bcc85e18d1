-- Dashboard sessions end when unused and are listed, so each has an id that is no secret. About a minute exact.
alter table operator_sessions add column id uuid not null unique default gen_random_uuid();
alter table operator_sessions add column last_used_at timestamptz not null default now();

-- A signing key that an operator withdrew: retired, and published no longer.
alter table signing_keys add column withdrawn_at timestamptz;
