// Operator API, the client certificate that deliveries of one tenant show to its endpoints (contract/delivery.md "mTLS").
// The bundle (private key and chain, PEM) goes in and never comes out again: answers, audit and logs hold what a
// certificate says in public, its expiry above all. Without a key-encryption key nothing is stored.

import { z } from 'zod';
import { readCertificateBundle } from '../../keys/certificate-bundle.ts';
import type { TenantCertificate } from '../../keys/tenant-certificates.ts';
import { insertAudit } from '../../store/audit.ts';
import { findTenant } from '../../store/tenants.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { decodeUtf8 } from '../input.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { clientParams, noTenant } from './tenants.ts';

const path = '/operator/tenants/{client_id}/delivery-certificate';
const contentTypes = ['application/x-pem-file', 'text/plain'];

const certificateSchema = z.strictObject({
  fingerprint: z.string().describe('SHA-256 of the certificate, hexadecimal'),
  subject: z.string(),
  issuer: z.string(),
  not_before: z.iso.datetime(),
  not_after: z.iso.datetime(),
  expired: z.boolean(),
  created_at: z.iso.datetime(),
});

export function tenantCertificateRoutes({ database, certificates, now }: ApiDependencies): Route[] {
  const show = (row: TenantCertificate): z.infer<typeof certificateSchema> => ({
    fingerprint: row.fingerprint,
    subject: row.subject,
    issuer: row.issuer,
    not_before: row.notBefore.toISOString(),
    not_after: row.notAfter.toISOString(),
    expired: row.notAfter.getTime() <= now(),
    created_at: row.createdAt.toISOString(),
  });
  const facts = (row: TenantCertificate) => ({ fingerprint: row.fingerprint, not_after: row.notAfter.toISOString() });
  const none = (clientId: string): Answer => problem('not_found', `Tenant ${clientId} has no certificate of its own`);

  return [
    route({
      method: 'PUT',
      path,
      access: 'operator',
      role: 'admin',
      operationId: 'putTenantCertificate',
      problems: [409],
      summary: 'Set the client certificate of the deliveries of a tenant: private key and certificates as PEM',
      params: clientParams,
      body: { contentTypes, schema: z.string(), format: 'raw', required: true },
      responses: {
        200: { description: 'Stored; new connections use it within a minute', schema: certificateSchema },
      },
      async handle({ params, rawBody, actor }) {
        const { client_id: clientId } = params;
        if (!certificates.canStore) {
          return problem('conflict', 'Private keys are stored encrypted only: start with BELLHOP_KEY_ENCRYPTION_KEY');
        }
        const text = decodeUtf8(rawBody);
        const read = text === undefined ? undefined : readCertificateBundle(text);
        if (!read?.ok) return problem('bad_request', `body: ${read?.detail ?? 'is not valid UTF-8'}`);
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          if (!(await findTenant(tx, clientId))) return noTenant(clientId);
          const before = await certificates.find(tx, clientId);
          const after = await certificates.put(tx, clientId, read.bundle);
          await insertAudit(tx, {
            actor,
            action: 'tenant_certificate.put',
            subject: `tenant:${clientId}`,
            clientId,
            before: before && facts(before),
            after: facts(after),
            at: new Date(now()),
          });
          return { status: 200, body: show(after) };
        });
        certificates.forget(clientId);
        return answer;
      },
    }),

    route({
      method: 'GET',
      path,
      access: 'operator',
      operationId: 'getTenantCertificate',
      summary: 'Show the client certificate of the deliveries of a tenant',
      params: clientParams,
      responses: { 200: { description: 'Without its private key', schema: certificateSchema } },
      async handle({ params }) {
        const row = await certificates.find(database, params.client_id);
        return row ? { status: 200, body: show(row) } : none(params.client_id);
      },
    }),

    route({
      method: 'DELETE',
      path,
      access: 'operator',
      role: 'admin',
      operationId: 'deleteTenantCertificate',
      summary: 'Remove it: deliveries show the certificate of the service again, if it has one',
      params: clientParams,
      responses: { 204: { description: 'Removed', schema: null } },
      async handle({ params, actor }) {
        const { client_id: clientId } = params;
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const before = await certificates.find(tx, clientId);
          if (!before || !(await certificates.remove(tx, clientId))) return none(clientId);
          await insertAudit(tx, {
            actor,
            action: 'tenant_certificate.delete',
            subject: `tenant:${clientId}`,
            clientId,
            before: facts(before),
            at: new Date(now()),
          });
          return { status: 204 };
        });
        certificates.forget(clientId);
        return answer;
      },
    }),
  ];
}
