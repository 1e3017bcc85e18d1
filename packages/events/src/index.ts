// Public surface of @bellhop/events: the catalogue's names, the TypeScript types, matching, instants and examples.
// Validation and the schemas have entry points of their own, so that a handler does not load them.
import type { KnownEventMap } from './generated/catalogue.ts';

/**
 * The `object` of each event type. Add the types that this version does not know:
 * `declare module '@bellhop/events' { interface EventMap { 'CASH_VOUCHER.ISSUED': { id: string } } }`
 */
export interface EventMap extends KnownEventMap {}

export { eventTypes, isCategory, isEventType, isSubscribable, isWellFormedType, keyFieldOf } from './catalogue.ts';
export type { EventOf, KnownEvent, UndeliveredEvent, WebhookEvent } from './event.ts';
export { catalogueExample, ExampleError, type ExampleErrorCode, type ExampleOptions, example } from './example.ts';
export {
  type Category,
  type CategoryInfo,
  categories,
  type EventType,
  type KnownEventMap,
  type SubscribableCategory,
  subscribableCategories,
} from './generated/catalogue.ts';
export type {
  AccountGroupObject,
  AccountLiquidationObject,
  AccountObject,
  AccountReturnsObject,
  AccountTransferObject,
  AccountValuationObject,
  Address,
  BusinessCheckObject,
  BusinessObject,
  CashBalanceObject,
  CashTransactionObject,
  ComplianceCheck,
  CorporateActionObject,
  CreditFundingObject,
  DirectDebitObject,
  ExecutionObject,
  FeeCollectionObject,
  InstrumentFitCheck,
  InstrumentObject,
  IntradayAccountValuationObject,
  KycCheck,
  Open,
  OrderCancellationObject,
  OrderObject,
  PortfolioAllocationObject,
  PortfolioOrderObject,
  PositionObject,
  ProofOfResidencyCheck,
  ReportObject,
  SavingsPlanExecutionObject,
  SavingsPlanObject,
  SecuritiesTransferObject,
  SecurityPosition,
  SecurityTransactionObject,
  TaxCollectionObject,
  TaxExemptionObject,
  TopupObject,
  TreasuryReportObject,
  UserCheckObject,
  UserDataChangeFailedObject,
  UserObject,
  VirtualCashDecreaseObject,
  VirtualCashIncreaseObject,
  WithdrawalObject,
} from './generated/objects.ts';
export { compareInstants, isInstant, parseInstant } from './instant.ts';
export { categoryOf, matches, type Subscription } from './match.ts';
