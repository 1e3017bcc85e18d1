-- Sessions, sign-in links and tenant links made with the configured operator token keep a hash of it, so that they end when
-- it changes. Those made before do not say which one it was: they end now.
alter table operator_sessions add column if not exists configured_hash bytea;
delete from operator_sessions where token_id is null;

alter table tenant_links add column if not exists configured_hash bytea;
delete from tenant_links where token_id is null;
