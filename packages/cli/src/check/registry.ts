// All probes, in the order of the report. What `--list`, the documents and the tests know of them they know from here.

import { CliError, exitCodes } from '../exit.ts';
import { type Family, families, type Probe } from './probe.ts';
import { contents } from './probes/contents.ts';
import { effects } from './probes/effects.ts';
import { firstDelivery } from './probes/first-delivery.ts';
import { forgeries } from './probes/forgeries.ts';
import { keys } from './probes/keys.ts';
import { repeats } from './probes/repeats.ts';
import { robustness } from './probes/robustness.ts';
import { shapes } from './probes/shapes.ts';
import { speed } from './probes/speed.ts';
import { tls } from './probes/tls.ts';

const all = [
  ...firstDelivery,
  ...shapes,
  ...contents,
  ...repeats,
  ...keys,
  ...forgeries,
  ...robustness,
  ...speed,
  ...tls,
  ...effects,
];

export const probes: readonly Probe[] = families.flatMap((family) => all.filter((probe) => probe.family === family));

/** Where the page of a probe is, from the root of the project. */
export function pageOf(probe: Pick<Probe, 'id'>): string {
  return `docs/check/${probe.id}.md`;
}

/** The probes that `only` and `skip` leave; both take ids and families. An unknown name is a usage error. */
export function chooseProbes(only: readonly string[], skip: readonly string[]): readonly Probe[] {
  for (const [flag, names] of [
    ['--only', only],
    ['--skip', skip],
  ] as const) {
    const wrong = names.find((name) => !isFamily(name) && !probes.some(({ id }) => id === name));
    if (wrong !== undefined) {
      throw new CliError(exitCodes.usage, `${flag}: there is no probe ${wrong}.`, 'See: bellhop check --list');
    }
  }
  const names = (list: readonly string[], { id, family }: Probe) => list.includes(id) || list.includes(family);
  const chosen = probes.filter((probe) => (only.length === 0 || names(only, probe)) && !names(skip, probe));
  if (chosen.length === 0) throw new CliError(exitCodes.usage, 'No probe is left to run.', 'See: bellhop check --list');
  return chosen;
}

function isFamily(name: string): name is Family {
  return families.some((family) => family === name);
}
