// When client certificates of deliveries end, for alerts: one series for the certificate of the service and one for the
// earliest of the tenants, so that the number of series does not grow with them. NaN: there is none, or nobody could tell.

import { Gauge, type Registry } from 'prom-client';
import type { TenantCertificates } from './tenant-certificates.ts';

export function measureCertificates(options: {
  readonly registry: Registry;
  /** Of the service's own certificate. */
  readonly notAfter: Date | undefined;
  readonly certificates: Pick<TenantCertificates, 'firstExpiry'>;
  readonly onError: (error: unknown) => void;
}): void {
  const { registry, notAfter, certificates, onError } = options;
  const seconds = (at: Date | null | undefined): number => (at ? at.getTime() / 1_000 : Number.NaN);
  new Gauge({
    name: 'bellhop_delivery_certificate_not_after_timestamp_seconds',
    help: 'End of the client certificate of deliveries: of the service, and the earliest of the tenants.',
    labelNames: ['owner'],
    registers: [registry],
    async collect() {
      this.set({ owner: 'service' }, seconds(notAfter));
      try {
        this.set({ owner: 'tenants' }, seconds(await certificates.firstExpiry()));
      } catch (error) {
        onError(error);
        this.set({ owner: 'tenants' }, Number.NaN);
      }
    },
  });
}
