-- What a tenant's own calls write is bounded by count: its tokens, and its rows of the audit trail. Both are found in order.
create index tokens_client on tokens (client_id, created_at, token_hash);
create index audit_tenant_calls on audit (client_id, at, id) where actor like 'tenant:%';
