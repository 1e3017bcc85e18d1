// The report in its three forms: a table for people (forwarded as it is), one JSON object for scripts, JUnit XML for CI.
// All three say the same: result, what was seen, the fix and the page of each probe.

import type { Output } from '../output.ts';
import { families, type Probe } from './probe.ts';
import { pageOf } from './registry.ts';
import { notYet, type Outcome, type Report } from './run-check.ts';
import { scoreOf } from './score.ts';
import { milliseconds, type Result } from './verdict.ts';

const words: Readonly<Record<Result, string>> = { pass: '✓ pass', fail: '✗ fail', unknown: '? could not tell' };
const wordWidth = words.unknown.length;
const idWidth = 26;
const indent = ' '.repeat(2 + wordWidth + 2);

export function tableOf(report: Report, colors: Output['colors']): readonly string[] {
  const paint = { pass: colors.green, fail: colors.red, unknown: colors.yellow };
  const lines = [`${colors.bold('bellhop check')}  ${report.target}`, colors.dim(`signed by ${report.signedBy}`)];
  // Forty lines that say the same would hide the one that matters.
  const told = report.outcomes.filter(({ verdict }) => verdict.detail !== notYet);
  for (const family of families) {
    const outcomes = told.filter(({ probe }) => probe.family === family);
    if (outcomes.length > 0) lines.push('', colors.bold(family));
    for (const { probe, verdict } of outcomes) {
      const { result, detail } = verdict;
      const head = `  ${paint[result](words[result].padEnd(wordWidth))}  ${probe.id.padEnd(idWidth)}  ${probe.title}`;
      if (result === 'pass') lines.push(`${head} ${colors.dim(`(${detail})`)}`);
      else if (result === 'unknown') lines.push(`${head} ${colors.dim(`(${detail})`)}`);
      else {
        lines.push(head, `${indent}seen  ${detail}`, `${indent}fix   ${probe.fix}`, `${indent}docs  ${pageOf(probe)}`);
      }
    }
  }
  const untold = report.outcomes.length - told.length;
  if (untold > 0) lines.push('', `  ${colors.yellow(words.unknown)}  ${untold} more probes: ${notYet}`);
  const failed = report.outcomes.filter(({ verdict }) => verdict.result === 'fail').map(({ probe }) => probe.id);
  lines.push('', summary(report, colors));
  if (failed.length > 0) lines.push(`again, what failed: bellhop check ${report.target} --only ${failed.join(',')}`);
  return lines;
}

function summary(report: Report, colors: Output['colors']): string {
  const { passed, failed, unknown, percent } = scoreOf(report);
  const score = `score ${percent} %: ${passed} passed, ${failed} failed, ${unknown} could not be told`;
  const { acknowledgement, elapsedMs } = report;
  const figures = [
    ...(acknowledgement === undefined
      ? []
      : [`acknowledges in p50 ${milliseconds(acknowledgement.p50Ms)}, p99 ${milliseconds(acknowledgement.p99Ms)}`]),
    `took ${(elapsedMs / 1000).toFixed(1)} s`,
  ];
  const told = failed > 0 ? colors.red(score) : colors.green(score);
  return `${colors.bold(told)}   ${colors.dim(figures.join('   '))}`;
}

export function jsonOf(report: Report): string {
  const { acknowledgement } = report;
  return JSON.stringify({
    target: report.target,
    signed_by: report.signedBy,
    score: scoreOf(report),
    ...(acknowledgement === undefined
      ? {}
      : {
          acknowledgement: {
            p50_ms: rounded(acknowledgement.p50Ms),
            p99_ms: rounded(acknowledgement.p99Ms),
            slowest_ms: rounded(acknowledgement.slowestMs),
          },
        }),
    elapsed_ms: Math.round(report.elapsedMs),
    probes: report.outcomes.map(({ probe, verdict, elapsedMs }) => ({
      id: probe.id,
      family: probe.family,
      title: probe.title,
      result: verdict.result,
      detail: verdict.detail,
      ...(verdict.result === 'fail' ? { fix: probe.fix } : {}),
      docs: pageOf(probe),
      elapsed_ms: Math.round(elapsedMs),
    })),
  });
}

export function junitOf(report: Report): string {
  const { failed, unknown } = scoreOf(report);
  const counts = `tests="${report.outcomes.length}" failures="${failed}" errors="0" skipped="${unknown}"`;
  const time = `time="${(report.elapsedMs / 1000).toFixed(3)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="bellhop check" ${counts} ${time}>`,
    `  <testsuite name="${escaped(report.target)}" ${counts} ${time}>`,
    ...report.outcomes.flatMap(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase({ probe, verdict, elapsedMs }: Outcome): readonly string[] {
  const head =
    `    <testcase classname="bellhop.check.${probe.family}" name="${escaped(`${probe.id}: ${probe.title}`)}" ` +
    `time="${(elapsedMs / 1000).toFixed(3)}"`;
  if (verdict.result === 'pass') return [`${head}/>`];
  const detail = escaped(verdict.detail);
  const inner =
    verdict.result === 'unknown'
      ? `      <skipped message="${detail}"/>`
      : `      <failure type="${probe.id}" message="${detail}">${escaped(`${verdict.detail}\nfix: ${probe.fix}\ndocs: ${pageOf(probe)}`)}</failure>`;
  return [`${head}>`, inner, '    </testcase>'];
}

export function listOf(chosen: readonly Probe[], colors: Output['colors']): readonly string[] {
  return families.flatMap((family) => {
    const members = chosen.filter((probe) => probe.family === family);
    if (members.length === 0) return [];
    return [colors.bold(family), ...members.map(({ id, title }) => `  ${id.padEnd(idWidth)}  ${title}`)];
  });
}

/** XML 1.0 has no place for most control characters, not even escaped. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
