// Turns the test runner's JSON report into the closing line of `.ci/run`: "N passed, N failed[, N skipped]". A test file
// that could not be loaded, a runner that died and a failed check count as failures; the exit code says the same.
//
//   node scripts/test-summary.mjs <report.json> <exit code of the runner> <failed checks>

import { readFileSync } from 'node:fs';

const [reportFile = '', runnerCode = '1', failedChecks = '0'] = process.argv.slice(2);

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch {
    return {};
  }
}

const report = readReport();
const passed = report.numPassedTests ?? 0;
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
const filesWithoutTests = (report.testResults ?? []).filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
).length;
let failed = (report.numFailedTests ?? 0) + filesWithoutTests + Number(failedChecks);
// An error outside any test ends the runner with a code and no failed test.
if (failed === 0 && (Number(runnerCode) !== 0 || passed === 0)) failed = 1;

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
