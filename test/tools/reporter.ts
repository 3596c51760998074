import Mocha from 'mocha'
import pc from 'picocolors'
import { whyNotRun } from './not-run.js'

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The closing line, plain so that any log reader can count it. */
export const closingLine = ({ passed, failed, skipped }: Counts): string => `${passed} passed, ${failed} failed, ${skipped} skipped`

/** What the runner (test.ts) hears: it prints the closing line after this process has ended, so that nothing can follow it. */
export interface CountsMessage {
  readonly insituCounts: Counts
  /** One text per failure, title and stack: they are told once more before the closing line, where whoever reads only the end finds them. */
  readonly failures: readonly string[]
  /** True once the last test is over. */
  readonly ended: boolean
}

/** One line per suite, every failure and every skip with its reason, then the closing line. */
export class ShortReporter extends Mocha.reporters.Base {
  private readonly counts = { passed: 0, failed: 0, skipped: 0 }
  private readonly told: string[] = []
  private readonly perSuite = new Map<Mocha.Suite, { passed: number; ms: number }>()

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.on('pass', (test) => this.onPassed(test))
    runner.on('fail', (test, error) => this.onFailed(test, error))
    runner.on('pending', (test) => this.onSkipped(test))
    // At once, so that the count is right even when the next test brings the process down.
    runner.on('test end', () => this.tell(false))
    runner.on('suite end', (suite) => this.onSuiteEnded(suite))
    runner.once('end', () => this.onEnded())
  }

  private onPassed(test: Mocha.Test): void {
    this.counts.passed++
    if (!test.parent) return
    const suite = this.perSuite.get(test.parent) ?? { passed: 0, ms: 0 }
    suite.passed++
    suite.ms += test.duration ?? 0
    this.perSuite.set(test.parent, suite)
  }

  private onFailed(test: Mocha.Test, error: unknown): void {
    this.counts.failed++
    this.told.push(`${test.fullTitle()}\n${String((error instanceof Error && error.stack) || error).slice(0, FAILURE_MAX)}`)
    say(`${pc.red('failed')}   ${test.fullTitle()}: ${firstLine(error)}`)
  }

  private onSkipped(test: Mocha.Test): void {
    this.counts.skipped++
    say(`${pc.yellow('skipped')}  ${test.fullTitle()}\n         not run: ${whyNotRun(test) ?? 'no reason was given'}`)
  }

  private onSuiteEnded(suite: Mocha.Suite): void {
    const done = this.perSuite.get(suite)
    if (done) say(`${pc.green('passed')}   ${suite.fullTitle() || '(no suite)'}: ${done.passed} (${Math.round(done.ms)} ms)`)
  }

  private onEnded(): void {
    if (process.connected) return this.tell(true)
    if (this.failures.length > 0) Mocha.reporters.Base.list(this.failures)
    say(closingLine(this.counts))
  }

  private tell(ended: boolean): void {
    const message: CountsMessage = { insituCounts: { ...this.counts }, failures: this.told, ended }
    if (process.connected) process.send?.(message)
  }
}

/** Characters of one failure's text that are told: a difference of two large values must not bury the rest. */
const FAILURE_MAX = 4000

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const firstLine = (error: unknown): string => String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? ''

// mocha takes a reporter module's default export
export { ShortReporter as default }
