// The service, wired: database, log, keys, delivery and HTTP API, in the order in which they start, and the reverse in
// which they stop. Everything is passed in by argument; there is no other place where the parts meet.
//
// `/readyz` answers 200 from the end of `startService` on. `close` resolves within 10 s: requests and packages in flight
// get a few seconds to finish, leases are handed over, and what was not delivered waits in the log.

import { importVerificationKey } from '@bellhop/signatures';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createAcceptor } from './acceptor/acceptor.ts';
import { acceptorEndpoint } from './acceptor/endpoint-sink.ts';
import { allowEndpoints } from './acceptor/own-url.ts';
import { createApp } from './api/app.ts';
import type { ApiDependencies } from './api/dependencies.ts';
import { defaultSessionIdleMinutes } from './api/operator-access.ts';
import { sweep } from './api/sweep.ts';
import { defaultMaxWebhooks } from './api/tenant/webhooks.ts';
import { type ServiceConfig, StartError } from './config.ts';
import { systemClock } from './delivery/clock.ts';
import { readEgressProxy } from './delivery/egress-proxy.ts';
import { createLedger } from './delivery/ledger.ts';
import { createSender } from './delivery/sender.ts';
import { createTestTrigger } from './delivery/test-trigger.ts';
import { createTlsContext } from './delivery/tls.ts';
import { Worker } from './delivery/worker.ts';
import { certificateFacts } from './keys/certificate-bundle.ts';
import { hashClientSecret } from './keys/client-secrets.ts';
import { keepKeySchedule } from './keys/key-schedule.ts';
import { openKeys } from './keys/open-keys.ts';
import { listen } from './listen.ts';
import { createPostgresLog } from './log/postgres-log.ts';
import { createLiveView } from './observe/live.ts';
import { createMetrics } from './observe/metrics.ts';
import { tellAll } from './observe/observer.ts';
import { countWorkers } from './observe/overview.ts';
import { createRollups } from './observe/rollups.ts';
import { openTelemetry } from './observe/telemetry.ts';
import { createUsage } from './observe/usage.ts';
import { openDatabase, toStartError } from './open-database.ts';
import { packageVersion } from './package-version.ts';
import type { Database } from './store/database.ts';
import { ensurePartitions } from './store/migrate.ts';
import { startPulse } from './store/pulse.ts';
import { retain } from './store/retention.ts';
import { createSignals } from './store/signals.ts';
import { findTenant, insertTenant, insertTenantKey, listTenantKeys } from './store/tenants.ts';
import { createTargetPolicy, type TargetPolicy } from './targets/target-policy.ts';

export interface TenantSpec {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly keys: readonly { readonly keyId: string; readonly publicKey: string }[];
}

export interface Service {
  /** Base URL with the real port. */
  readonly url: string;
  /** Base URL of operator API, dashboard and metrics. */
  readonly operatorUrl: string;
  /** Makes the tenant and its keys where the database lacks them; changes nothing that is there. */
  ensureTenant(tenant: TenantSpec): Promise<void>;
  close(): Promise<void>;
}

export interface StartOptions {
  /** Runs when everything is up but `/readyz` does not say so yet. */
  readonly beforeReady?: (service: Service) => Promise<void>;
  /** Ends the waiting for a database that does not answer. */
  readonly signal?: AbortSignal;
}

const defaultPartitions = 64;
const defaultEventDays = 30;
const defaultAttemptDays = 14;
/** A year, and time to look at it. */
const defaultAuditDays = 400;
const requestGraceMs = 3_000;
/** With those of requests and lanes below the ten seconds of a stop. */
const testGraceMs = 2_000;
const defaultRequestsPerSecond = 200;
/** A script that makes a thousand tenants is at work, one without a pause in its loop is not. */
const defaultOperatorRequestsPerSecond = 1_000;
const defaultSigningKeyRotationDays = 90;

export async function startService(config: ServiceConfig, options: StartOptions = {}): Promise<Service> {
  const logger = pino({ level: config.logLevel, base: null }, pino.destination({ dest: 2, sync: true }));
  const onError = (error: unknown, where: string) => logger.error({ err: error, where }, 'delivery trouble');
  const stopping = new AbortController();
  /** What has started, in order; undone in reverse when a later part fails or the service closes. */
  const started: (() => Promise<void>)[] = [];
  const undo = async () => {
    stopping.abort();
    for (const end of started.splice(0).reverse()) await end();
  };

  try {
    const egress = readEgress(config);
    const database = await openDatabase(config, logger, options.signal);
    started.push(() => database.close());
    const pulse = database.kind === 'postgres' ? startPulse(database) : undefined;
    started.push(async () => pulse?.close());
    await ensurePartitions(database, config.partitions ?? defaultPartitions);

    const signals = await createSignals(database, { onError: (error) => onError(error, 'signals') });
    started.push(() => signals.close());
    const telemetry = await openTelemetry(signals, packageVersion());
    const metrics = new Registry();
    const rollups = createRollups({ database, now: Date.now, onError: (error) => onError(error, 'rollups') });
    started.push(() => rollups.close());
    const usage = createUsage({ database, now: Date.now, onError: (error) => onError(error, 'usage') });
    started.push(() => usage.close());
    const live = createLiveView({
      database,
      rollups,
      isAlone: async () => config.role === 'all' && (await countWorkers(database)) <= 1,
      now: Date.now,
    });
    started.push(async () => live.close());
    const observer = tellAll([
      rollups,
      createMetrics({
        registry: metrics,
        version: packageVersion(),
        sender: () => sender.stats(),
        partitions: () => worker?.owned() ?? [],
        standing: () => live.standing(),
        now: Date.now,
        onError: (error) => onError(error, 'metrics'),
      }),
      ...(telemetry ? [telemetry.observer] : []),
    ]);
    const plainLog = createPostgresLog({ database, signals, observer });
    const log = telemetry?.log(plainLog) ?? plainLog;
    started.push(() => log.close());
    const { policy, proxy, certificateNotAfter } = egress;
    const forKeys = { database, signals, config, metrics, certificateNotAfter, logger, onError };
    const { keys, certificates } = await openKeys(forKeys);
    // The listener's port is part of the default public URL, and the app needs the URL: filled in below.
    let publicUrl = config.publicUrl ?? '';
    const acceptor = await createAcceptor({
      database,
      publicUrl: () => publicUrl,
      now: Date.now,
      onError: (error) => onError(error, 'acceptor'),
      stopping: stopping.signal,
    });
    started.push(() => acceptor.close());
    const sender = createSender({
      ...config.deliveryTls,
      version: config.signatureVersion,
      connectTimeoutMs: config.connectTimeoutMs,
      responseTimeoutMs: config.responseTimeoutMs,
      concurrency: config.deliveryConcurrency,
      policy,
      keys,
      certificates,
      proxy,
      local: acceptorEndpoint(acceptor),
      observer,
    });
    started.push(() => sender.close());
    const tests = createTestTrigger({ database, sender, now: Date.now, onError });
    started.push(() => tests.drained(testGraceMs));

    const ledger = createLedger(database, { observer, attempts: config.attempts });
    const worker =
      config.role === 'api'
        ? undefined
        : new Worker({
            database,
            log,
            ledger: telemetry?.ledger(ledger) ?? ledger,
            observer,
            sender,
            signals,
            clock: systemClock,
            ...(config.ringBytes === undefined ? {} : { ringBytes: config.ringBytes }),
            onError,
          });

    let isReady = false;
    const dependencies: ApiDependencies = {
      database,
      log,
      signals,
      keys,
      certificates,
      targets: allowEndpoints(policy, (url) => acceptor.tokenOf(url) !== undefined),
      acceptor,
      testTrigger: (webhookId, commit) => tests.trigger(webhookId, commit),
      config: {
        operatorToken: config.operatorToken,
        get publicUrl() {
          return publicUrl;
        },
        // A listener of the operators' own has an address that no setting tells.
        dashboardUrl: config.operatorPort === undefined ? config.publicUrl : undefined,
        dev: config.dev,
        acceptedAlgorithms: config.acceptedAlgorithms ?? ['ecdsa-p521', 'ed25519'],
        throttle: throttleOf(config.requestsPerSecond, config.requestBurst),
        operatorThrottle: throttleOf(config.operatorRequestsPerSecond ?? defaultOperatorRequestsPerSecond),
        loginTries: config.loginTries,
        maxWebhooks: config.maxWebhooks,
        sessionIdleMinutes: config.sessionIdleMinutes,
      },
      logger,
      now: Date.now,
      metrics,
      live,
      rollups,
      usage,
      telemetry,
      about: { version: packageVersion(), startedAt: new Date(), settings: settingsOf(config, certificateNotAfter) },
      stopping: stopping.signal,
      ready: () =>
        stopping.signal.aborted
          ? { ready: false, reason: 'stopping' }
          : !isReady
            ? { ready: false, reason: 'starting' }
            : worker?.isHealthy() === false || pulse?.answers() === false
              ? { ready: false, reason: 'the database does not answer' }
              : { ready: true },
    };
    const apart = config.operatorPort !== undefined;
    const listener = await listen(
      createApp(dependencies, apart ? 'tenant' : 'all'),
      config.host,
      config.port,
      config.listenLimits,
    );
    started.push(() => listener.close(requestGraceMs));
    let operatorUrl = listener.url;
    if (config.operatorPort !== undefined) {
      const app = createApp(dependencies, 'operator');
      const operators = await listen(app, config.operatorHost ?? config.host, config.operatorPort, config.listenLimits);
      started.push(() => operators.close(requestGraceMs));
      operatorUrl = operators.url;
    }
    publicUrl ||= listener.url;

    if (worker) {
      started.push(() => worker.stop());
      await worker.start();
    }
    if (worker) {
      const { eventDays = defaultEventDays, attemptDays = defaultAttemptDays, auditDays = defaultAuditDays } = config;
      const partitions = () => worker.owned().map(({ id }) => id);
      const days = { eventDays, attemptDays, auditDays };
      const retaining = retain({ database, partitions, ...days, onError }, stopping.signal);
      started.push(() => retaining);
    }
    const sweeping = sweep({ database, logger, now: Date.now }, stopping.signal);
    started.push(() => sweeping);
    const rotating = keepKeySchedule(
      {
        database,
        keys,
        rotationDays: config.signingKeyRotationDays ?? defaultSigningKeyRotationDays,
        now: Date.now,
        onRotated: (rotation) => logger.info(rotation, 'signing keys rotated on schedule'),
        onError,
      },
      stopping.signal,
    );
    started.push(() => rotating);

    let closed: Promise<void> | undefined;
    const service: Service = {
      url: listener.url,
      operatorUrl,
      ensureTenant: (tenant) => ensureTenant(database, tenant),
      close() {
        closed ??= undo();
        return closed;
      },
    };
    await options.beforeReady?.(service);
    isReady = true;
    logger.info({ url: service.url, role: config.role, database: database.kind }, 'ready');
    return service;
  } catch (error) {
    await undo();
    throw toStartError(error, config);
  }
}

interface Egress {
  readonly policy: TargetPolicy;
  readonly proxy: ReturnType<typeof readEgressProxy> | undefined;
  readonly certificateNotAfter: Date | undefined;
}

/** Everything that can be wrong in the settings of outgoing connections is found here, before anything starts. */
function readEgress({ insecureTargets, egress, egressProxy, deliveryTls, dnsServers }: ServiceConfig): Egress {
  try {
    createTlsContext(deliveryTls ?? {});
    const { clientCert } = deliveryTls ?? {};
    return {
      policy: createTargetPolicy({ insecure: insecureTargets, egress, dnsServers }),
      proxy: egressProxy === undefined ? undefined : readEgressProxy(egressProxy),
      certificateNotAfter: clientCert && certificateFacts(clientCert.cert).notAfter,
    };
  } catch (cause) {
    const message = cause instanceof TypeError ? cause.message : 'A certificate or key of deliveries cannot be read';
    throw new StartError('settings_unreadable', `${message}.`, 'Correct the setting.', { cause });
  }
}

function throttleOf(
  requestsPerSecond = defaultRequestsPerSecond,
  burst = Math.max(1, Math.ceil(2 * requestsPerSecond)),
) {
  return requestsPerSecond === 0 ? undefined : { requestsPerSecond, burst };
}

/** What an operator may see of the configuration: everything but secrets. */
function settingsOf(
  config: ServiceConfig,
  certificateNotAfter: Date | undefined,
): Readonly<Record<string, string | number | boolean | null>> {
  return {
    host: config.host,
    port: config.port,
    operator_port: config.operatorPort ?? null,
    public_url: config.publicUrl ?? null,
    role: config.role,
    data_dir: config.databaseUrl === undefined ? config.dataDir : null,
    insecure_targets: config.insecureTargets,
    dev: config.dev,
    log_level: config.logLevel,
    event_days: config.eventDays ?? defaultEventDays,
    attempt_days: config.attemptDays ?? defaultAttemptDays,
    audit_days: config.auditDays ?? defaultAuditDays,
    requests_per_second: config.requestsPerSecond ?? defaultRequestsPerSecond,
    operator_requests_per_second: config.operatorRequestsPerSecond ?? defaultOperatorRequestsPerSecond,
    max_webhooks: config.maxWebhooks ?? defaultMaxWebhooks,
    session_idle_minutes: config.sessionIdleMinutes ?? defaultSessionIdleMinutes,
    signing_key_rotation_days: config.signingKeyRotationDays ?? defaultSigningKeyRotationDays,
    private_keys_encrypted: config.keyEncryptionKey !== undefined,
    delivery_certificate_not_after: certificateNotAfter?.toISOString() ?? null,
    egress_allow: config.egress?.allow?.join(' ') ?? null,
    egress_deny: config.egress?.deny?.join(' ') ?? null,
    egress_ports: config.egress?.ports?.join(' ') ?? null,
    egress_proxy: config.egressProxy !== undefined,
  };
}

async function ensureTenant(database: Database, tenant: TenantSpec): Promise<void> {
  const now = new Date();
  if (!(await findTenant(database, tenant.clientId))) {
    const secretHash = await hashClientSecret(tenant.clientSecret);
    const { clientId, name, scopes } = tenant;
    await insertTenant(database, { clientId, name, scopes, secretHash, now });
  }
  const present = new Set((await listTenantKeys(database, tenant.clientId)).map((row) => row.key_id));
  for (const { keyId, publicKey } of tenant.keys) {
    if (present.has(keyId)) continue;
    const { algorithm } = importVerificationKey(keyId, publicKey);
    await insertTenantKey(database, { keyId, clientId: tenant.clientId, algorithm, publicKey, now });
  }
}
