// How many deliveries may be on their way into this process at a time: their bodies are in memory. Each endpoint and each
// tenant has a share of its own, so that slow bodies for one of them leave room for the others.

export interface ArrivingLimits {
  readonly maxArriving: number;
  readonly maxArrivingPerTenant: number;
  readonly maxArrivingPerEndpoint: number;
}

export interface Admission {
  /** Gives the place back, once; undefined when there is none. */
  enter(who: { readonly clientId: string; readonly id: string }): (() => void) | undefined;
}

export function createAdmission(limits: ArrivingLimits): Admission {
  const { maxArriving, maxArrivingPerTenant, maxArrivingPerEndpoint } = limits;
  const endpoints = new Map<string, number>();
  const tenants = new Map<string, number>();
  let all = 0;
  return {
    enter({ clientId, id }) {
      if (all >= maxArriving) return undefined;
      if ((tenants.get(clientId) ?? 0) >= maxArrivingPerTenant) return undefined;
      if ((endpoints.get(id) ?? 0) >= maxArrivingPerEndpoint) return undefined;
      const count = (by: number) => {
        all += by;
        add(tenants, clientId, by);
        add(endpoints, id, by);
      };
      count(1);
      return () => count(-1);
    },
  };
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
