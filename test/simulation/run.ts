/** `npm run simulate -- [--seeds N | --schedules N] [--seed S] [--json]` */
import { commandOptions, endWithUsage } from '../tools/command-options.js'
import { runSchedules } from './commit-model.js'
import { missedCanaries, simulate } from './simulate.js'

const USAGE = `usage: npm run simulate -- [--seeds N | --schedules N] [--seed S] [--json]

Whole runs on a simulated cluster, and canaries, of which each must be caught. The last line on stdout says how it went, as JSON;
exit code 1 if a law was broken, or a canary was missed.
  --seeds      so many runs (50)
  --schedules  instead of them, so many schedules of the commit protocol alone
  --seed       the first seed (1); a seed that fails is printed, and --seeds 1 or --schedules 1 shows it again
  --json       nothing else is printed`

const values = commandOptions(USAGE, {
  seeds: { type: 'string', default: '50' },
  schedules: { type: 'string' },
  seed: { type: 'string', default: '1' },
  json: { type: 'boolean', default: false },
})

/** Runs in which the slowest canary is caught some six times over. */
const CANARY_SEEDS = 400

interface Violation {
  readonly seed: number
  readonly what: readonly string[]
}

function tell(violations: readonly Violation[], of: string): void {
  for (const { seed, what } of violations.slice(0, 20))
    console.log(values.json ? JSON.stringify({ seed, what }) : `seed ${seed} of ${of}: ${what.join('\n  ')}`)
}

function close(line: Record<string, string | number>, isWell: boolean): void {
  console.log(JSON.stringify(line))
  process.exitCode = isWell ? 0 : 1
}

function wholeNumber(name: string, text: string): number {
  const n = Number(text)
  if (Number.isInteger(n) && n > 0) return n
  return endWithUsage(USAGE, `--${name} takes a whole number above 0, not ${text}`)
}

async function runs(seeds: number, from: number): Promise<void> {
  const start = performance.now()
  const { steps, tasks, losses, moves, remade, violations } = await simulate({ seeds, from })
  tell(violations, 'the runs')
  const missed = await missedCanaries(CANARY_SEEDS)
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1))
  if (!values.json) {
    console.log(
      `${seeds} runs: ${tasks} tasks, ${steps} events, ${losses} losses, ${moves} moves of values, ${remade} made again; ${seconds} s`,
    )
    for (const name of missed) console.log(`not caught: ${name}`)
  }
  const canary = missed.length === 0 ? 'caught' : `missed: ${missed.join(', ')}`
  close({ seeds, violations: violations.length, canary, tasks, losses, moves, remade, seconds }, violations.length + missed.length === 0)
}

async function schedules(count: number, from: number): Promise<void> {
  const start = performance.now()
  const { violations, events, commits, crashes, longest } = await runSchedules({ seeds: count, from })
  tell(violations, 'the schedules')
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1))
  close({ schedules: count, violations: violations.length, events, commits, crashes, longest, seconds }, violations.length === 0)
}

const from = wholeNumber('seed', values.seed)
if (values.schedules !== undefined) await schedules(wholeNumber('schedules', values.schedules), from)
else await runs(wholeNumber('seeds', values.seeds), from)
