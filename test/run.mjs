/**
 * `npm test`: sets the checkout up, runs every check and every suite, passes their output through, says once more at the end what failed
 * or passed only when tried again, and closes with one line `N passed, N failed, N skipped` over all of them. `--fast` leaves out the slow suites.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { root, runNode, setUp } from '../repl/setup.mjs'

process.chdir(root)
const isFast = process.argv.includes('--fast')
const reports = mkdtempSync(join(tmpdir(), 'llama-pro-test-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
/** What failed, a text each: told again at the end, which is all that some keep of a long log. */
const failures = []
/** What failed and passed when tried once more, as the slow suites are: a fault of a test or of the program, to be looked into. */
const retried = []

const bin = (...path) => join('node_modules', ...path)

/** A check that is one pass or one failure. */
function runCheck(name, args) {
  console.log(`\n== ${name}`)
  const passed = runNode(args) === 0
  totals[passed ? 'passed' : 'failed']++
  if (passed) return
  console.log(`${name} failed`)
  failures.push(name)
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
  const report = readReport(file)
  const results = report?.testResults ?? []
  const failed = results.flatMap(result => [...testsOf(result, 'failed'), ...brokenFile(result)])
  if (failed.length === 0 && status !== 0) failed.push(`${project}: the suite left with ${status} and no failed test`)
  totals.passed += report?.numPassedTests ?? 0
  totals.failed += failed.length
  totals.skipped += report === undefined ? 0 : report.numPendingTests + report.numTodoTests
  failures.push(...failed)
  retried.push(...results.flatMap(result => testsOf(result, 'passed')))
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** The tests of one file that ended so and have something to complain of, a text each. */
function testsOf({ name, assertionResults }, ended) {
  return assertionResults
    .filter(({ status, failureMessages }) => status === ended && (ended === 'failed' || failureMessages.length > 0))
    .map(test => `${relative(root, name)}: ${test.fullName}\n${firstLines(test.failureMessages.join('\n'))}`)
}

/** The file itself, when it broke down without a failed test to show for it. */
function brokenFile({ name, status, message, assertionResults }) {
  const isBroken = status === 'failed' && !assertionResults.some(test => test.status === 'failed')
  return isBroken ? [`${relative(root, name)}\n${firstLines(message)}`] : []
}

function firstLines(text) {
  const lines = stripVTControlCharacters(text)
    .split('\n')
    .filter(line => !line.includes('node_modules/@vitest'))
    .slice(0, 12)
  return lines.map(line => `  ${line.slice(0, 300)}`).join('\n')
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
for (const project of isFast ? ['fast'] : ['fast', 'slow', 'light', 'alone', 'parity']) runSuite(project)
rmSync(reports, { recursive: true, force: true })
if (retried.length > 0) console.log(`\n== passed only when tried again\n${retried.join('\n\n')}`)
if (failures.length > 0) console.log(`\n== failed\n${failures.join('\n\n')}`)
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed > 0 ? 1 : 0
