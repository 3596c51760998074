import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Counts, type CountsMessage, closingLine } from './reporter.js'
import { compiledTests, root } from './test-files.js'

/**
 * `npm test`: runs every compiled test with mocha and prints the closing line last, after mocha's process has gone, so that no
 * late output follows it. Arguments go to mocha (`npm test -- --grep stamps`); files among them replace the whole list.
 */

/** Past this the run is ended and counts as failed: a hanging test must not hang the machine that runs it. */
const LIMIT_MS = 15 * 60_000
/** How long open handles may keep mocha's process after its last test, before it is ended and named a failure. */
const LINGER_MS = 10_000

const args = process.argv.slice(2)
const named = args.filter((arg) => existsSync(arg))
const files = named.length > 0 ? named : compiledTests()
const options = args.filter((arg) => !named.includes(arg))

const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
const reporter = join(root, 'dist/test/tools/reporter.js')
const child = spawn(process.execPath, [mocha, '--reporter', reporter, '--timeout', '20000', ...options, ...files], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})

let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
let stopped: string | undefined
let linger: NodeJS.Timeout | undefined

function stop(why: string): void {
  stopped = why
  child.kill('SIGKILL')
}

const limit = setTimeout(() => stop(`the tests took longer than ${LIMIT_MS / 60_000} minutes`), LIMIT_MS)
child.on('message', (message: CountsMessage) => {
  counts = message.insituCounts
  if (message.ended)
    linger = setTimeout(() => stop(`something kept the process alive ${LINGER_MS / 1000} s after the last test`), LINGER_MS)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(`ended by ${signal}`))

child.on('exit', (code, signal) => {
  clearTimeout(limit)
  clearTimeout(linger)
  const broken =
    stopped ?? (signal ? `mocha was ended by ${signal}` : code !== 0 && counts.failed === 0 ? `mocha ended with code ${code}` : undefined)
  if (broken !== undefined) {
    process.stdout.write(`failed   ${broken}\n`)
    counts = { ...counts, failed: counts.failed + 1 }
  }
  process.stdout.write(`${closingLine(counts)}\n`)
  process.exitCode = counts.failed > 0 ? 1 : 0
})
