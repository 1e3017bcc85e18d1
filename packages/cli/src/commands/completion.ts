// Shell completion. The shell asks the program itself for candidates, so that it never knows less than the help.

import { categories, eventTypes, subscribableCategories } from '@bellhop/events';
import type { Command } from 'commander';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { readConfig } from '../profiles/config-file.ts';
import type { Context } from './context.ts';

const scripts: Readonly<Record<string, string>> = {
  bash: `_bellhop() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(bellhop complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _bellhop bellhop`,
  zsh: `#compdef bellhop
_bellhop() {
  local -a found
  found=("\${(@f)$(bellhop complete -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  [[ -n "\${found[1]}" ]] && compadd -- "\${found[@]}" || _files
}
compdef _bellhop bellhop`,
  fish: `function __bellhop_complete
  set -l words (commandline -opc) (commandline -ct)
  bellhop complete -- $words[2..-1] 2>/dev/null
end
complete -c bellhop -f -a '(__bellhop_complete)'`,
};

const homes: Readonly<Record<string, string>> = {
  bash: 'bellhop completion bash >> ~/.bashrc',
  zsh: 'bellhop completion zsh >> ~/.zshrc',
  fish: 'bellhop completion fish > ~/.config/fish/completions/bellhop.fish',
};

export async function completion(shell: string, { output }: Context): Promise<ExitCode> {
  const script = scripts[shell];
  if (script === undefined) throw usageError(`There is completion for bash, zsh and fish, not for ${shell}.`);
  output.line(script);
  if (output.interactive) output.note(`to keep it: ${homes[shell]}`);
  return exitCodes.ok;
}

/** Prints what the last of the words may become, one a line. */
export async function complete(words: readonly string[], root: Command, { output, env }: Context): Promise<ExitCode> {
  const last = words.at(-1) ?? '';
  let at = root;
  const rest: string[] = [];
  for (const word of words.slice(0, -1)) {
    const next = at.commands.find((command) => command.name() === word || command.aliases().includes(word));
    if (next === undefined) rest.push(word);
    else at = next;
  }
  const before = rest.at(-1) ?? '';
  const option = at.options.find(({ short, long }) => before === short || before === long);
  const found =
    option !== undefined && (option.required || option.optional)
      ? await valuesOf(option.attributeName(), option.argChoices, at, env)
      : await wordsOf(at, last, env);
  for (const candidate of found) if (candidate.startsWith(last)) output.line(candidate);
  return exitCodes.ok;
}

async function wordsOf(at: Command, last: string, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  if (last.startsWith('-')) return at.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  const names = at.commands.map((command) => command.name()).filter((name) => name !== 'complete');
  if (names.length > 0) return at.parent === null ? [...names, 'help'] : names;
  if (at.name() === 'trigger') return eventTypes;
  if (at.name() === 'completion') return Object.keys(scripts);
  if (at.parent?.name() === 'profile' && at.name() !== 'list') return profileNames(env);
  return [];
}

async function valuesOf(
  name: string,
  choices: readonly string[] | undefined,
  at: Command,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  if (choices !== undefined) return choices;
  if (name === 'profile') return profileNames(env);
  if (name === 'events') return ['*', ...categories.map((category) => `${category.name}.*`), ...eventTypes];
  if (name === 'type' || name === 'excludeType')
    return ['events', 'inbox'].includes(at.parent?.name() ?? '') ? eventTypes : subscribableCategories;
  return [];
}

async function profileNames(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  try {
    return ['local', ...Object.keys((await readConfig(env)).profiles)];
  } catch (error) {
    // Completion is no place for complaints.
    if (error instanceof CliError) return [];
    throw error;
  }
}
