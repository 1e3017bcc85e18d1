// What the handler was given and how it answered, in order of arrival: what the effects have to show in the end. Only what
// was acknowledged has to be there; what was refused must not be.

import type { WebhookEvent } from '@bellhop/events';

export interface Expected {
  readonly id: string;
  readonly objectId: string;
  readonly probe: string;
}

export interface Refusal {
  readonly probe: string;
  readonly status: number;
}

export class Ledger {
  readonly #due = new Map<string, Expected>();
  readonly #refused = new Map<string, string>();
  readonly #refusals: Refusal[] = [];

  /** Acknowledged: one effect each, in this order per object. A repeated id keeps its first place. */
  acknowledged(probe: string, events: readonly WebhookEvent[]): void {
    for (const { id, object } of events) {
      const { id: objectId } = object;
      if (!this.#due.has(id)) this.#due.set(id, { id, objectId: String(objectId), probe });
    }
  }

  refused(probe: string, events: readonly WebhookEvent[], status: number): void {
    this.#refusals.push({ probe, status });
    for (const { id } of events) this.#refused.set(id, probe);
  }

  /** In order of arrival. */
  due(): readonly Expected[] {
    return [...this.#due.values()];
  }

  /** The probe whose refused package held the event. */
  refusedBy(id: string): string | undefined {
    return this.#due.has(id) ? undefined : this.#refused.get(id);
  }

  get hasRefused(): boolean {
    return this.#refused.size > 0;
  }

  refusals(): readonly Refusal[] {
    return this.#refusals;
  }
}
