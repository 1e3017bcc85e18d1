// When client certificates of deliveries end, for alerts: one series for the certificate of the service and one for the
// earliest of the tenants, so that the number of series does not grow with them. One that has ended is counted apart: it must not
// hide the next. NaN: there is none, or nobody could tell.

import { Gauge, type Registry } from 'prom-client';
import type { TenantCertificates } from './tenant-certificates.ts';

export function measureCertificates(options: {
  readonly registry: Registry;
  /** Of the service's own certificate. */
  readonly notAfter: Date | undefined;
  readonly certificates: Pick<TenantCertificates, 'endings'>;
  readonly onError: (error: unknown) => void;
}): void {
  const { registry, notAfter, certificates, onError } = options;
  const seconds = (at: Date | null | undefined): number => (at ? at.getTime() / 1_000 : Number.NaN);
  const endings = () =>
    certificates.endings().catch((error: unknown) => {
      onError(error);
      return { first: undefined, ended: Number.NaN };
    });
  new Gauge({
    name: 'bellhop_delivery_certificate_not_after_timestamp_seconds',
    help: 'End of the client certificate of deliveries: of the service, and the earliest of the tenants that is good now.',
    labelNames: ['owner'],
    registers: [registry],
    async collect() {
      this.set({ owner: 'service' }, seconds(notAfter));
      this.set({ owner: 'tenants' }, seconds((await endings()).first));
    },
  });
  new Gauge({
    name: 'bellhop_delivery_certificates_ended',
    help: 'Client certificates of tenants that have ended and were not replaced.',
    registers: [registry],
    async collect() {
      this.set((await endings()).ended);
    },
  });
}
