// Public surface of @bellhop/handler/testing: tests of your own handler without a server and without waiting.
export { ExampleError, type ExampleOptions, example } from '@bellhop/events';
export { type FakeClock, fakeClock } from './clock.ts';
export { type Attempt, type TestService, type TestServiceOptions, testService } from './service.ts';
export {
  type DeliveryAnswer,
  type DeliveryOptions,
  deliver,
  type SignedDelivery,
  signedDelivery,
  type Target,
  type TestEvent,
  testKeys,
} from './signed-delivery.ts';
