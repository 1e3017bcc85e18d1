// Keeps the documents true: links and anchors resolve, a code block that names a file equals that file, the settings in
// docs/reference/config.md are those of the program, and each list of codes in docs/reference/errors.md is the list in
// the code. Marks that it reads:
//
//   ```js file=docs/tutorial/handler.mjs            the block must equal the file
//   <!-- codes: packages/x/src/y.ts Name -->        the table below must list exactly the codes of Name
//   <!-- own codes: packages/x/src/y.ts Name -->    the same, without those of other unions that Name includes
//
// Needs a build: the settings are imported from the built command line.

import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { projectFiles, read, report } from './source-files.mjs';

const faults = [];
const documents = projectFiles(/\.md$/);

for (const path of documents) {
  const text = read(path);
  checkLinks(path, text);
  checkBlocks(path, text);
  checkCodes(path, text);
}
await checkSettings('docs/reference/config.md');
report('documents', faults);

function checkLinks(path, text) {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
  for (const [, target] of prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split('#');
    const linked = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(new URL(`../${linked}`, import.meta.url))) faults.push(`${path}: link to ${target}: no such file`);
    else if (anchor && !anchorsOf(read(linked)).has(anchor)) faults.push(`${path}: link to ${target}: no such heading`);
  }
}

/** Anchors as code hosts make them of headings. */
function anchorsOf(text) {
  const headings = text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function checkBlocks(path, text) {
  for (const [, file, block] of text.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```/gm)) {
    if (!existsSync(new URL(`../${file}`, import.meta.url)))
      faults.push(`${path}: code block of ${file}: no such file`);
    else if (read(file).trim() !== block.trim()) faults.push(`${path}: code block of ${file} differs from the file`);
  }
}

function checkCodes(path, text) {
  const marked = /<!-- (own )?codes: (\S+) (\w+) -->([\s\S]*?)(?=\n#|<!-- |$(?![\s\S]))/g;
  for (const [, own, file, name, body] of text.matchAll(marked)) {
    const documented = new Set([...body.matchAll(/^\|\s*`(\w+)`/gm)].map(([, code]) => code));
    const inCode = new Set(codesOf(file, name, own !== undefined));
    if (inCode.size === 0) faults.push(`${path}: no codes found in ${file} ${name}`);
    for (const code of inCode) if (!documented.has(code)) faults.push(`${path}: ${code} of ${name} is not described`);
    for (const code of documented) if (!inCode.has(code)) faults.push(`${path}: ${code} is not among ${name} any more`);
  }
}

/** Codes of a union of literals (and of other unions of the package), of a list of literals, or the keys of a table. */
function codesOf(file, name, own = false) {
  const text = read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '');
  const union = new RegExp(`type ${name} =([^;]*);`).exec(text)?.[1];
  if (union !== undefined) {
    const literals = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
    const named = [...union.replace(/'\w+'/g, '').matchAll(/\|\s*([A-Z]\w+)/g)].map(([, type]) => type);
    return own ? literals : [...literals, ...named.flatMap((type) => codesOf(declaredIn(file, type), type))];
  }
  const list = new RegExp(`const ${name} = \\[([^\\]]*)\\]`).exec(text)?.[1];
  if (list !== undefined) return [...list.matchAll(/'(\w+)'/g)].map(([, code]) => code);
  const table = new RegExp(`const ${name}[^=]* = \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? '';
  return [...table.matchAll(/^ {2}(\w+):/gm)].map(([, code]) => code);
}

function declaredIn(file, type) {
  const folder = `${file.split('/src/')[0]}/src/`;
  const found = projectFiles(/\.ts$/).find(
    (path) => path.startsWith(folder) && new RegExp(`type ${type} =`).test(read(path)),
  );
  return found ?? file;
}

async function checkSettings(path) {
  if (!documents.includes(path)) {
    faults.push(`${path} is missing`);
    return;
  }
  const { settingsTable } = await import('../packages/cli/dist/index.js');
  const text = read(path);
  const documented = new Set(text.match(/\bBELLHOP_[A-Z_]+\b/g));
  const variables = settingsTable.map(({ variable }) => variable);
  for (const variable of variables) if (!documented.has(variable)) faults.push(`${path}: ${variable} is not described`);
  for (const variable of documented)
    if (!variables.includes(variable)) faults.push(`${path}: ${variable} is not a setting`);
  const rows = text.split('\n');
  for (const { variable, flag, defaults } of settingsTable) {
    const row = rows.find((line) => line.startsWith('|') && line.includes(`\`${variable}\``)) ?? '';
    const shown = flag?.split(' ')[0];
    if (shown !== undefined && !row.includes(`\`${shown}\``))
      faults.push(`${path}: ${variable} does not name its flag ${shown}`);
    for (const value of Object.values(defaults)) {
      if (value !== undefined && !row.includes(value))
        faults.push(`${path}: ${variable} does not name its default ${value}`);
    }
  }
  const flags = new Set(settingsTable.flatMap(({ flag }) => flag?.split(' ')[0] ?? []));
  for (const flag of ['--no-demo', '--embedded']) flags.add(flag);
  for (const [, flag] of text.matchAll(/^\|[^|]*`(--[\w-]+)`/gm)) {
    if (!flags.has(flag)) faults.push(`${path}: ${flag} is not a flag`);
  }
}
