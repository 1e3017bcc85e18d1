// Opens the connections of deliveries under the target policy: the name through the guarded lookup, an IP address by the
// same rule, then the socket's remote address once more, all before the first byte is sent. Then TLS, with the name of
// the URL. One time limit for all of it. No proxy from the environment; one that was configured is asked for the address.
// Failures are ConnectErrors that say their outcome reason, because only here is known which step failed.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
import { TargetError } from '../targets/target-error.ts';
import type { TargetPolicy } from '../targets/target-policy.ts';
import { type EgressProxy, openTunnel } from './egress-proxy.ts';
import type { OutcomeReason } from './outcome.ts';

export class ConnectError extends Error {
  readonly reason: OutcomeReason;

  constructor(reason: OutcomeReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConnectError';
    this.reason = reason;
  }
}

export interface ConnectorOptions {
  readonly policy: TargetPolicy;
  readonly tls: SecureContext;
  readonly timeoutMs: number;
  readonly proxy?: EgressProxy | undefined;
}

export interface Connector {
  readonly connect: buildConnector.connector;
  /** Gives up what is being opened; open connections belong to the client. */
  abandon(): void;
}

/** For one client, that is one connection at a time to one origin. */
export function createConnector({ policy, tls, timeoutMs, proxy }: ConnectorOptions): Connector {
  let opening: Socket | undefined;

  const connect: buildConnector.connector = ({ hostname, protocol, port }, callback) => {
    const literal = isIP(hostname) !== 0;
    if (literal && !policy.checkAddress(hostname)) {
      const error = new ConnectError('address_not_allowed', `${hostname} may not be called`);
      process.nextTick(() => callback(error, null));
      return;
    }

    const secure = protocol === 'https:';
    const targetPort = Number(port) || (secure ? 443 : 80);
    let step = 'TCP';
    const finish = (error: Error | null, socket?: Socket | TLSSocket): void => {
      if (opening !== tcp) return;
      opening = undefined;
      clearTimeout(timer);
      if (error === null && socket !== undefined) callback(null, socket);
      else {
        tcp.destroy();
        callback(error ?? new ConnectError('other', 'No socket'), null);
      }
    };
    const timer = setTimeout(() => {
      finish(new ConnectError('connect_timeout', `No ${step} connection to ${hostname} within ${timeoutMs} ms`));
    }, timeoutMs);

    const tcp = connectTcp({
      ...(proxy === undefined
        ? { host: hostname, port: targetPort, lookup: policy.lookup }
        : { host: proxy.host, port: proxy.port }),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 500,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    opening = tcp;
    // Stays after the connection is handed over: an error of the wrapped socket must find a listener.
    tcp.on('error', (error) => finish(connectFailure(error, hostname)));
    tcp.once('close', () => finish(new ConnectError('connection_reset', 'The connection closed while it was opened')));
    tcp.once('connect', () => {
      if (proxy !== undefined) {
        step = 'proxy';
        judgedAddress(policy, hostname)
          .then((address) => openTunnel(tcp, proxy, address, targetPort))
          .then(startTls, (error: Error) => finish(proxyFailure(error, hostname)));
        return;
      }
      const { remoteAddress } = tcp;
      if (remoteAddress === undefined)
        return finish(new ConnectError('connection_reset', 'The connection closed as soon as it was open'));
      if (!policy.checkAddress(remoteAddress))
        return finish(new ConnectError('address_not_allowed', `${remoteAddress} may not be called`));
      startTls();
    });

    function startTls(): void {
      if (!secure) {
        finish(null, tcp);
        return;
      }
      step = 'TLS';
      const tlsSocket = connectTls({
        socket: tcp,
        host: hostname,
        servername: literal ? '' : hostname,
        secureContext: tls,
        rejectUnauthorized: true,
        ALPNProtocols: ['http/1.1'],
      });
      tlsSocket.on('error', (error) => finish(tlsFailure(error)));
      tlsSocket.once('secureConnect', () => finish(null, tlsSocket));
    }
  };

  return { connect, abandon: () => opening?.destroy() };
}

/** What the guarded lookup allows, IPv4 first; an address itself was judged before. */
function judgedAddress(policy: TargetPolicy, hostname: string): Promise<string> {
  if (isIP(hostname) !== 0) return Promise.resolve(hostname);
  return new Promise((resolve, reject) => {
    policy.lookup(hostname, { all: true }, (error, addresses) => {
      const [first] = Array.isArray(addresses) ? addresses : [];
      if (error) reject(error);
      else if (first === undefined) reject(new TargetError('dns', hostname, `${hostname} has no address`));
      else resolve(first.address);
    });
  });
}

function proxyFailure(error: Error, hostname: string): ConnectError {
  if (error instanceof TargetError) return new ConnectError(error.code, error.message, { cause: error });
  return new ConnectError('connect_refused', `No tunnel to ${hostname}: ${error.message}`, { cause: error });
}

function connectFailure(error: Error, hostname: string): ConnectError {
  if (error instanceof TargetError) return new ConnectError(error.code, error.message, { cause: error });
  // With several addresses, node reports one error for each that was tried.
  const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const codes = causes.map(errorCode);
  const detail = `No connection to ${hostname}: ${[...new Set(codes)].join(', ')}`;
  if (codes.includes('ECONNREFUSED')) return new ConnectError('connect_refused', detail, { cause: error });
  if (codes.includes('ETIMEDOUT')) return new ConnectError('connect_timeout', detail, { cause: error });
  if (codes.includes('ECONNRESET')) return new ConnectError('connection_reset', detail, { cause: error });
  return new ConnectError('other', detail, { cause: error });
}

function tlsFailure(error: Error): ConnectError {
  const code = errorCode(error);
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new ConnectError('connection_reset', 'The connection closed during the TLS handshake', { cause: error });
  return new ConnectError('tls', `TLS failed: ${code}: ${error.message}`, { cause: error });
}

/** The stable code of a system or OpenSSL error. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : String(error);
}
