// Finds the routes of a raw path. Segments are compared as they were sent; only a parameter's value is percent-decoded,
// and one that cannot be decoded matches nothing.

import type { Method, Route } from './route.ts';

export interface PathMatch {
  readonly params: Readonly<Record<string, string>>;
  readonly byMethod: ReadonlyMap<string, Route>;
}

interface Pattern {
  readonly segments: readonly string[];
  readonly literals: number;
  readonly byMethod: Map<Method, Route>;
}

export function routeTable(routes: readonly Route[]): { match(path: string): PathMatch | undefined } {
  const patterns = new Map<string, Pattern>();
  for (const route of routes) {
    const segments = route.path.split('/');
    const literals = segments.filter((segment) => !isParameter(segment) && segment !== '*').length;
    const pattern = patterns.get(route.path) ?? { segments, literals, byMethod: new Map<Method, Route>() };
    if (pattern.byMethod.has(route.method)) throw new TypeError(`Two routes for ${route.method} ${route.path}`);
    pattern.byMethod.set(route.method, route);
    patterns.set(route.path, pattern);
  }
  // `/webhooks/test` would be meant before `/webhooks/{webhook_id}`.
  const ordered = [...patterns.values()].sort((a, b) => b.literals - a.literals);

  return {
    match(path) {
      const segments = path.split('/');
      for (const pattern of ordered) {
        const params = matchSegments(pattern.segments, segments);
        if (params) return { params, byMethod: pattern.byMethod };
      }
      return undefined;
    },
  };
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{') && segment.endsWith('}');
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const hasRest = pattern.at(-1) === '*';
  if (hasRest ? segments.length < pattern.length : segments.length !== pattern.length) return undefined;
  const params: Record<string, string> = Object.create(null);
  for (const [index, expected] of pattern.entries()) {
    if (expected === '*') return params;
    const given = segments[index] ?? '';
    if (isParameter(expected)) {
      const value = decodeSegment(given);
      if (value === undefined || value === '') return undefined;
      params[expected.slice(1, -1)] = value;
    } else if (given !== expected) return undefined;
  }
  return params;
}

function decodeSegment(segment: string): string | undefined {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    // Not UTF-8 or not an escape: no name that a route could know.
    return undefined;
  }
}
