// The tutorial's lines: a step is ticked off when it has really happened, a failed one says why.

import type { Output } from '../output.ts';

export interface Checklist {
  done(step: string, facts?: string, again?: string): void;
  failed(step: string, reason: string): void;
}

const stepWidth = 30;

export function createChecklist(output: Output): Checklist {
  const { green, red, dim } = output.colors;
  return {
    done(step, facts = '', again) {
      output.line(` ${green('✓')} ${step.padEnd(stepWidth)} ${facts}`.trimEnd());
      if (again !== undefined) output.line(dim(`     again: ${again}`));
    },
    failed(step, reason) {
      output.line(` ${red('✗')} ${step.padEnd(stepWidth)} ${reason}`);
    },
  };
}
