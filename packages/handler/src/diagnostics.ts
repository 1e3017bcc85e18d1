// The facts of hooks.ts as `node:diagnostics_channel` events, for tools that must not be wired in: `bellhop.handler.received`,
// `.duplicates`, `.rejected`, `.processed`, `.failed`, `.parked`, `.slow` and `.inbox-error`, of all handlers of the process.
// Costs nothing while nobody subscribes.
import type { Channel } from 'node:diagnostics_channel';
import { channel } from 'node:diagnostics_channel';
import type { Hooks } from './hooks.ts';

const channels: Readonly<Record<keyof Hooks, Channel>> = {
  onReceived: channel('bellhop.handler.received'),
  onDuplicates: channel('bellhop.handler.duplicates'),
  onRejected: channel('bellhop.handler.rejected'),
  onProcessed: channel('bellhop.handler.processed'),
  onFailed: channel('bellhop.handler.failed'),
  onParked: channel('bellhop.handler.parked'),
  onSlow: channel('bellhop.handler.slow'),
  onInboxError: channel('bellhop.handler.inbox-error'),
};

/** A subscriber that throws is reported by Node as an uncaught exception of its own, not to the caller. */
export function publish(name: keyof Hooks, fact: unknown): void {
  if (channels[name].hasSubscribers) channels[name].publish(fact);
}
