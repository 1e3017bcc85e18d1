// The service as a library: what the command line starts, and embedders and tests start the same way.

export { type ServiceConfig, StartError, type StartErrorCode } from './config.ts';
export { type OutcomeReason, outcomeReasons } from './delivery/outcome.ts';
export { type Service, type StartOptions, startService, type TenantSpec } from './service.ts';
