// `--events`: which events are shown, and which categories the webhook asks for.

import { categoryOf, isSubscribable, subscribableCategories } from '@bellhop/events';
import { usageError } from '../exit.ts';
import { nearNames } from '../trigger/near.ts';

export interface EventFilter {
  /** For the webhook. */
  readonly categories: readonly string[];
  matches(type: string): boolean;
  /** For people. */
  readonly shown: string;
}

export function eventFilter(patterns: readonly string[] = ['*']): EventFilter {
  const wanted = patterns.map((pattern) => pattern.toUpperCase());
  for (const pattern of wanted) {
    if (!/^(\*|[A-Z_]+(\.(\*|[A-Z_]+))?)$/.test(pattern)) {
      throw usageError(`--events takes ORDER.FILLED, 'ORDER.*' or '*', not ${pattern}.`);
    }
    const category = categoryOf(pattern);
    if (category === '*' || isSubscribable(category)) continue;
    const near = nearNames(category, subscribableCategories);
    throw usageError(
      `There is no category ${category} to listen to.${near.length > 0 ? ` Near: ${near.join(', ')}.` : ''}`,
    );
  }
  const all = wanted.some((pattern) => pattern === '*' || pattern === 'ALL');
  const matches = (type: string) =>
    wanted.some(
      (pattern) => pattern === type || (/^[A-Z_]+(\.\*)?$/.test(pattern) && categoryOf(pattern) === categoryOf(type)),
    );
  return {
    categories: all ? ['ALL'] : [...new Set(wanted.map(categoryOf))],
    matches: all ? () => true : matches,
    shown: all ? 'every event' : wanted.join(', '),
  };
}
