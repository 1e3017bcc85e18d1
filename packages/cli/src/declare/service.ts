// Declares `dev` and `serve`: flags and help come from the table of settings.

import type { Command } from 'commander';
import { type CommandName, settingsTable } from '../settings.ts';
import type { Declare } from './declare.ts';

const devExamples = `
Examples:
  $ bellhop dev                          the service, and the tutorial in front of your eyes
  $ bellhop dev --no-demo --port 9000    only the service, on another port
  $ bellhop dev --data-dir /tmp/try      a fresh start that leaves no trace here
  $ bellhop dev --database-url postgres://localhost/bellhop

Credentials are in <data-dir>/dev.json, where the other commands find them. Ctrl-C stops; the next start goes on with the
same credentials and data.`;

const serveExamples = `
Examples:
  $ export BELLHOP_OPERATOR_TOKEN=$(openssl rand -hex 32)
  $ bellhop serve --database-url 'postgres://bellhop@db.internal/bellhop?sslmode=verify-full' --host 0.0.0.0
  $ bellhop serve --embedded             one process, built-in database`;

export const declareService: Declare = (root, run) => {
  const dev = root.command('dev').option('--no-demo', 'only serve: no demo handler, no tutorial, no events');
  addSettings(dev, 'dev')
    .description('run the service for development, with credentials made for you and a demo')
    .addHelpText('after', devExamples)
    .action(run(async (context, flags) => (await import('../commands/dev.ts')).dev(flags, context)));

  addSettings(root.command('serve'), 'serve')
    .description('run the service for production; needs BELLHOP_OPERATOR_TOKEN')
    .option('--embedded', 'use the built-in database: one process, not safe against a power cut')
    .addHelpText('after', serveExamples)
    .action(run(async (context, flags) => (await import('../commands/serve.ts')).serve(flags, context)));
};

function addSettings(command: Command, name: CommandName): Command {
  for (const setting of settingsTable) {
    if (setting.flag === undefined || !setting.commands.includes(name)) continue;
    const fallback = setting.defaults[name];
    const facts = [`env ${setting.variable}`, ...(fallback === undefined ? [] : [`default ${fallback}`])];
    command.option(setting.flag, `${setting.description} (${facts.join(', ')})`);
  }
  return command;
}
