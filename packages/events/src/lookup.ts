// Entry point `@bellhop/events/lookup`: what a receiver asks of the catalogue while it runs, and nothing that makes or checks
// events. A program that only receives loads half of the package by it.
export { isCategory, isEventType, keyFieldOf } from './catalogue.ts';
export { isInstant, parseInstant } from './instant.ts';
export { categoryOf } from './match.ts';
