-- Client certificates of deliveries, one for each tenant that wants its own. The private key is always encrypted with the
-- key-encryption key; what else is here is public.
create table tenant_certificates (
  client_id    uuid primary key references tenants (client_id) on delete cascade,
  -- SHA-256 of the first certificate, in hexadecimal
  fingerprint  text not null,
  subject      text not null,
  issuer       text not null,
  not_before   timestamptz not null,
  not_after    timestamptz not null,
  -- PEM, the chain included
  certificates text not null,
  private_key  text not null,
  created_at   timestamptz not null
);
create index tenant_certificates_expiry on tenant_certificates (not_after);
