// npm run bench -- compare <git-ref> [--bench deliver] [--rounds n]: this tree against another one, in alternation. The other
// tree is checked out beside this one, installed and built; each round runs the benchmark's own variants in a fresh process
// per tree, and the ratio is taken within the round.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Measures, round3, runRounds, type Variant } from './rounds.ts';

const here = fileURLToPath(new URL('../../../../', import.meta.url));

export async function compare(ref: string, bench: string, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-compare-'));
  const run = (command: string, args: readonly string[], cwd: string) =>
    execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    run('git', ['worktree', 'add', '--detach', folder, ref], here);
    run('npm', ['ci'], folder);
    for (const tree of [here, folder]) run('npx', ['tsc', '-b', 'bench'], tree);
    const measure = (tree: string): Measures => {
      run('node', ['bench/dist/bench/src/main.js', bench, '--rounds', '1'], tree);
      const file = join(tree, 'bench/results', `${bench}.json`);
      const { variants }: { variants: Record<string, Record<string, { median: number }>> } = JSON.parse(
        readFileSync(file, 'utf8'),
      );
      return Object.fromEntries(
        Object.entries(variants).flatMap(([variant, measures]) =>
          Object.entries(measures).map(([name, { median }]) => [`${variant}: ${name}`, median]),
        ),
      );
    };
    const variants: Variant[] = [
      { name: 'this tree', run: async () => measure(here) },
      { name: ref, run: async () => measure(folder) },
    ];
    const first = await runRounds(variants, [], rounds, (line) => process.stderr.write(`${line}\n`));
    const names = Object.keys(first.variants['this tree'] ?? {});
    for (const name of names) {
      const ours = first.variants['this tree']?.[name]?.values ?? [];
      const theirs = first.variants[ref]?.[name]?.values ?? [];
      const ratios = ours.map((value, index) => value / (theirs[index] ?? Number.NaN)).sort((a, b) => a - b);
      const middle = ratios[Math.floor(ratios.length / 2)] ?? Number.NaN;
      process.stdout.write(
        `${name}: ${round3(middle)} x ${ref} (${round3(ratios[0] ?? Number.NaN)} to ${round3(ratios.at(-1) ?? Number.NaN)})\n`,
      );
    }
  } finally {
    execFileSync('git', ['worktree', 'remove', '--force', folder], { cwd: here, stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  }
}
