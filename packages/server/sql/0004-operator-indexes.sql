-- For what operators ask for. Neither costs a delivery that succeeds anything: failed attempts are few, changes by people
-- fewer.
create index attempts_failed on attempts (started_at, id) where not ok;
create index audit_subject on audit (subject, at, id);
