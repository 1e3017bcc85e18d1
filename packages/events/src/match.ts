// Which webhook receives which event (api.md, "Webhook resource"): an event matches a category when the part of its
// type before the dot equals the category. Pure and allocation-free but for the category: runs for every event.

export interface Subscription {
  readonly type: readonly string[];
  readonly exclude_type?: readonly string[] | undefined;
}

/** The part of an event's type before the first dot; a text without a dot is returned as it is. */
export function categoryOf(type: string): string {
  const dot = type.indexOf('.');
  return dot === -1 ? type : type.slice(0, dot);
}

/** `ALL`, also beside categories, means every event but those of `exclude_type`; a list of categories ignores `exclude_type`. */
export function matches(subscription: Subscription, eventType: string): boolean {
  const category = categoryOf(eventType);
  if (subscription.type.includes('ALL')) return subscription.exclude_type?.includes(category) !== true;
  return subscription.type.includes(category);
}
