import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { type Counts, type CountsMessage, closingLine } from './reporter.js'
import { compiledTests, root, TEST_MS_MAX } from './test-files.js'

/**
 * `npm test`: runs every compiled test with mocha, one process per folder, so that a crash in native code loses one folder's tests
 * and not all; those that bear company run beside the others, for what these leave of the second core. The closing line counts all of them and comes last, after every process has gone. Arguments go to mocha
 * (`npm test -- --grep stamps`); files among them replace the whole list. `npm run test:long`: those that take minutes each.
 */
const LONG = '--long'

/** Folders of tests that whatever else the machine does cannot disturb: they compute, or end programs at any moment and look at what is left. */
const BESIDE = ['scenarios', 'simulation', 'fuzz', 'package', 'crash', 'graphs', 'linearizable', 'model'].map((name) =>
  join('dist', 'test', name),
)

/** Past this the run is ended and counts as failed: a hanging test must not hang the machine that runs it. */
const LIMIT_MS = 36 * 60_000
/** How long open handles may keep a process after its last test, before it is ended and named a failure. */
const LINGER_MS = 30_000

const endMs = performance.now() + LIMIT_MS
/** Interrupted, or out of time: no further process is started. */
let isOver = false

/** Every failure of the run, in the words of its process. */
const failures: string[] = []

/** Runs some files in one process. What keeps it from ending well counts as one more failure. */
function run(files: readonly string[], options: readonly string[], priority = constants.priority.PRIORITY_NORMAL): Promise<Counts> {
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
  const reporter = join(root, 'dist/test/tools/reporter.js')
  const child = spawn(process.execPath, [mocha, '--reporter', reporter, '--timeout', `${TEST_MS_MAX}`, ...options, ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  if (child.pid !== undefined) setPriority(child.pid, priority)
  let told: readonly string[] = []
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  let stopped: string | undefined
  let linger: NodeJS.Timeout | undefined
  const stop = (why: string): void => {
    stopped = why
    child.kill('SIGKILL')
  }
  const stopAll = (why: string): void => {
    isOver = true
    stop(why)
  }
  const interrupt = (signal: NodeJS.Signals): void => stopAll(`ended by ${signal}`)
  const limit = setTimeout(() => stopAll(`the tests took longer than ${LIMIT_MS / 60_000} minutes`), Math.max(0, endMs - performance.now()))
  child.on('message', (message: CountsMessage) => {
    counts = message.insituCounts
    told = message.failures
    if (message.ended)
      linger = setTimeout(() => stop(`something kept the process alive ${LINGER_MS / 1000} s after the last test`), LINGER_MS)
  })
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      clearTimeout(limit)
      clearTimeout(linger)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      const broken = stopped ?? whyBroken(code, signal, counts)
      const folder = relative(root, dirname(files[0] ?? ''))
      if (broken !== undefined) process.stdout.write(`failed   ${folder}: ${broken}\n`)
      failures.push(...told, ...(broken === undefined ? [] : [`${folder}: ${broken}`]))
      resolve(broken === undefined ? counts : { ...counts, failed: counts.failed + 1 })
    })
  })
}

function whyBroken(code: number | null, signal: NodeJS.Signals | null, { failed }: Counts): string | undefined {
  if (signal) return `the process was ended by ${signal}`
  return code !== 0 && failed === 0 ? `mocha ended with code ${code}` : undefined
}

/** Files of one folder under test/ together, in the order of the whole list. */
function byFolder(files: readonly string[]): readonly (readonly string[])[] {
  const folders = new Map<string, string[]>()
  for (const file of files) folders.set(dirname(file), [...(folders.get(dirname(file)) ?? []), file])
  return [...folders.values()]
}

const sum = (a: Counts, b: Counts): Counts => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped })

const args = process.argv.slice(2).filter((arg) => arg !== LONG)
const areLong = process.argv.includes(LONG)
const named = args.filter((arg) => existsSync(arg))
const options = args.filter((arg) => !named.includes(arg))

const isBeside = ([file]: readonly string[]): boolean => BESIDE.includes(relative(root, dirname(file!)))

/** One process after the other. */
async function runAll(folders: readonly (readonly string[])[], priority: number): Promise<Counts> {
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  for (const files of folders) if (!isOver) counts = sum(counts, await run(files, options, priority))
  return counts
}

const folders = named.length > 0 ? [named] : byFolder(compiledTests('test', areLong))
const lanes = await Promise.all([
  runAll(
    folders.filter((files) => !isBeside(files)),
    constants.priority.PRIORITY_NORMAL,
  ),
  runAll(folders.filter(isBeside), constants.priority.PRIORITY_BELOW_NORMAL),
])
const total = lanes.reduce(sum)
failures.forEach((failure, at) => {
  process.stdout.write(`\nfailure ${at + 1} of ${failures.length}: ${failure}\n`)
})
process.stdout.write(`${closingLine(total)}\n`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
