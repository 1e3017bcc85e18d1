// What the provider demands of the connection before any delivery: a DNS name, a certificate that a public authority
// vouches for, TLS 1.2 or newer. For https targets; an http target is a development build and nothing is said about it.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect, type PeerCertificate, type SecureVersion } from 'node:tls';
import type { Probe, Stage } from '../probe.ts';
import { fail, pass, unknown, type Verdict } from '../verdict.ts';

const warnDays = 14;

export const tls: readonly Probe[] = [
  {
    id: 'dns-name',
    family: 'tls',
    title: 'has a DNS name, no IP address',
    fix: 'Register a public DNS name: URLs with IP addresses are refused at registration.',
    phase: 'together',
    standsAlone: true,
    run: (stage) => forHttps(stage, dnsName),
  },
  {
    id: 'tls-version',
    family: 'tls',
    title: 'speaks TLS 1.2 or newer, and nothing older',
    fix: 'Set the minimum version to TLS 1.2 where TLS ends: load balancer, ingress or server.',
    phase: 'together',
    standsAlone: true,
    run: (stage) => forHttps(stage, tlsVersion),
  },
  {
    id: 'tls-certificate',
    family: 'tls',
    title: 'has a certificate that public authorities vouch for',
    fix: 'Serve the full chain of a public authority for this very name, and renew it in time.',
    phase: 'together',
    standsAlone: true,
    run: (stage) => forHttps(stage, tlsCertificate),
  },
];

function forHttps(stage: Stage, run: (stage: Stage) => Promise<Verdict>): Promise<Verdict> {
  if (stage.target.protocol === 'https:') return run(stage);
  return Promise.resolve(unknown('an http target: checked for https ones'));
}

async function dnsName({ target }: Stage): Promise<Verdict> {
  const host = hostOf(target);
  if (isIP(host) !== 0) return fail(`${host} is an IP address`);
  if (host === 'localhost' || host.endsWith('.localhost')) return unknown('localhost: check the public name too');
  if (!host.includes('.')) return fail(`${host} is no full DNS name`);
  try {
    const { address } = await lookup(host);
    return pass(`${host} is ${address}`);
  } catch (error) {
    return fail(`${host} does not resolve (${reasonOf(error)})`);
  }
}

async function tlsVersion(stage: Stage): Promise<Verdict> {
  const modern = await shake(stage, { minVersion: 'TLSv1.2' });
  if (!modern.ok) return fail(`no handshake with TLS 1.2 or 1.3 (${modern.reason})`);
  const old = await shake(stage, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
  return old.ok ? fail(`speaks ${old.protocol} too, which is broken`) : pass(modern.protocol);
}

async function tlsCertificate(stage: Stage): Promise<Verdict> {
  const seen = await shake(stage, {});
  if (!seen.ok) return unknown(`no handshake (${seen.reason})`);
  if (seen.untrusted !== undefined) return fail(`the certificate is not accepted: ${seen.untrusted}`);
  const days = Math.floor((Date.parse(seen.certificate.valid_to) - Date.now()) / 86_400_000);
  return days < warnDays ? fail(`the certificate ends in ${days} days`) : pass(`valid for ${days} days`);
}

type Handshake =
  | { ok: true; protocol: string; untrusted: string | undefined; certificate: PeerCertificate }
  | { ok: false; reason: string };

function shake(
  stage: Stage,
  versions: { readonly minVersion?: SecureVersion; readonly maxVersion?: SecureVersion },
): Promise<Handshake> {
  const { target, timeoutMs } = stage;
  const host = hostOf(target);
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(target.port || 443),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // Judged below: the handshake itself has to be seen also where the certificate is bad.
      rejectUnauthorized: false,
      ...(versions.maxVersion === undefined ? {} : { ciphers: 'DEFAULT@SECLEVEL=0' }),
      ...versions,
    });
    const end = (result: Handshake) => {
      resolve(result);
      socket.destroy();
    };
    socket.setTimeout(timeoutMs, () => end({ ok: false, reason: 'no answer' }));
    socket.once('error', (error) => end({ ok: false, reason: reasonOf(error) }));
    socket.once('secureConnect', () => {
      const { authorizationError } = socket;
      const untrusted = socket.authorized ? undefined : reasonOf(authorizationError);
      const protocol = socket.getProtocol() ?? 'unknown';
      end({ ok: true, protocol, untrusted, certificate: socket.getPeerCertificate() });
    });
  });
}

function hostOf(target: URL): string {
  return target.hostname.replace(/^\[(.*)\]$/, '$1');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
