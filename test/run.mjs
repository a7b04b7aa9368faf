/**
 * `npm test`: sets the checkout up, runs every check and every suite, passes their output through, and closes with one line
 * `N passed, N failed, N skipped` over all of them. `--fast` leaves out the slow suites.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runNode, setUp } from '../repl/setup.mjs'

process.chdir(root)
const isFast = process.argv.includes('--fast')
const reports = mkdtempSync(join(tmpdir(), 'llama-pro-test-'))
const totals = { passed: 0, failed: 0, skipped: 0 }

const bin = (...path) => join('node_modules', ...path)

/** A check that is one pass or one failure. */
function runCheck(name, args) {
  console.log(`\n== ${name}`)
  const passed = runNode(args) === 0
  totals[passed ? 'passed' : 'failed']++
  if (!passed) console.log(`${name} failed`)
}

/** A suite of vitest; every test counts, and so does a file or a run that broke down without a failed test to show for it. */
function runSuite(project) {
  console.log(`\n== tests: ${project}`)
  const file = join(reports, `${project}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const status = runNode([
    bin('vitest', 'vitest.mjs'),
    'run',
    '--config',
    'test/vitest.config.ts',
    '--project',
    project,
    ...reporters,
  ])
  const { passed, failed, skipped } = countTests(file)
  totals.passed += passed
  totals.failed += failed === 0 && status !== 0 ? 1 : failed
  totals.skipped += skipped
}

function countTests(file) {
  let report
  try {
    report = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some(test => test.status === 'failed'),
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

setUp()
runCheck('lint', [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings', '.'])
if (!isFast)
  runCheck('import rules', [
    bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs'),
    '--config',
    '.dependency-cruiser.cjs',
    ...['src', 'repl', 'kernel'].filter(folder => existsSync(folder)),
  ])
runCheck('types', [bin('typescript', 'bin', 'tsc'), '-p', 'test/tsconfig.json'])
for (const project of isFast ? ['fast'] : ['fast', 'slow', 'alone', 'parity']) runSuite(project)
rmSync(reports, { recursive: true, force: true })
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed > 0 ? 1 : 0
