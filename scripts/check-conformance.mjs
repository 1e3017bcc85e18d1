// Keeps docs/reference/conformance.md true: every test it names exists in the file it names, every rule has one, and, where
// the contract's folder lies beside the repository, every table row and paragraph of the contract has its line.
//
// A rule is named `file/heading#row` or `file/heading#pN` (a paragraph); `#3-5` names several.

import { existsSync, readFileSync } from 'node:fs';
import { read, report } from './source-files.mjs';

const page = 'docs/reference/conformance.md';
const contract = new URL('../../shared/contract/', import.meta.url);
const faults = [];
const text = read(page);

const named = new Set();
for (const line of text.split('\n').filter((each) => each.startsWith('| `'))) {
  const [, rule = '', , held = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  for (const id of idsOf(rule)) {
    if (named.has(id)) faults.push(`${page}: ${id} has two lines`);
    named.add(id);
  }
  const tests = held.split('<br>').map((each) => /^\[[^\]]+\]\(\.\.\/\.\.\/([^)]+)\) “(.+)”$/.exec(each));
  if (tests.length === 0 || tests.includes(null)) faults.push(`${page}: ${rule} names no test`);
  for (const [, file = '', title = ''] of tests.filter(Boolean)) checkTest(rule, file, title);
}
for (const id of [...(text.split('## No rule')[1] ?? '').matchAll(/`[^`]+`/g)].flatMap(([each]) => idsOf(each))) {
  named.add(id);
}
if (named.size < 100) faults.push(`${page}: only ${named.size} rules were read`);
if (existsSync(contract)) checkAgainstContract();
report('rules of the contract', faults);

function idsOf(cell) {
  const [, place = '', paragraph = '', first = '0', last = first] = /^`(.+)#(p?)(\d+)(?:-(\d+))?`$/.exec(cell) ?? [];
  if (place === '') faults.push(`${page}: ${cell} is no name of a rule`);
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => {
    return `${place}#${paragraph}${Number(first) + index}`;
  });
}

function checkTest(rule, file, title) {
  if (!existsSync(new URL(`../${file}`, import.meta.url))) {
    faults.push(`${page}: ${rule}: there is no ${file}`);
    return;
  }
  const source = read(file);
  const spelled = [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`, `\`${title}\``];
  if (!spelled.some((each) => source.includes(each))) faults.push(`${page}: ${rule}: ${file} has no test “${title}”`);
}

function checkAgainstContract() {
  const stated = new Set(['api', 'delivery', 'signatures', 'acceptor'].flatMap(rulesOf));
  for (const id of stated) if (!named.has(id)) faults.push(`${page}: the contract's ${id} is missing`);
  for (const id of named) if (!stated.has(id)) faults.push(`${page}: the contract has no ${id}`);
}

/** Table rows and paragraphs, counted below each heading; code blocks are examples. */
function rulesOf(name) {
  const lines = readFileSync(new URL(`${name}.md`, contract), 'utf8')
    .replace(/^```[\s\S]*?^```/gm, '')
    .split('\n');
  const ids = [];
  let [section, rows, paragraphs, isInTable] = ['', 0, 0, false];
  for (const line of lines) {
    const heading = /^#{1,6}\s+(.*)/.exec(line)?.[1];
    if (heading !== undefined) [section, rows, paragraphs] = [sectionName(name, heading), 0, 0];
    else if (/^\|[\s:|-]+\|$/.test(line)) isInTable = true;
    else if (line.startsWith('|')) {
      if (isInTable) ids.push(`${name}/${section}#${++rows}`);
    } else {
      isInTable = false;
      if (line.trim() !== '') ids.push(`${name}/${section}#p${++paragraphs}`);
    }
  }
  return ids;
}

function sectionName(name, heading) {
  if (name === 'acceptor') return 'calls';
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N}\s/{}_-]/gu, '');
  return kept.trim().replaceAll(' ', '-');
}
