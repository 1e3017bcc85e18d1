-- Of a tenant's test deliveries the newest are kept: who wrote some lately, and its own in order. Deliveries pay for neither.
create index attempts_tests on attempts (started_at, id) where kind = 'test';
create index attempts_tests_client on attempts (client_id, started_at, id) where kind = 'test';
