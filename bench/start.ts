/** From the start of a process to the first result of a task, beside a Node that runs nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Bench, type Benchmark, type Contest, mustEqual, type Sample, withFolder } from './harness.js'

const WORKERS = '2'
const RESULT = '42'

const program = (url: string): string => fileURLToPath(new URL(url, import.meta.url))
const INSITU = program('./programs/first-insitu.js')
const PISCINA = program('./programs/first-piscina.js')
const COMMAND = program('../runtime/cli/insitu.js')
/** The source of the same program: Node strips its types, or a loader does where it cannot. */
const SOURCE = program('../../bench/programs/first-insitu.ts')

/** Milliseconds until the first bytes on stdout, which are the result. The process's end is awaited, not timed. */
async function untilResult(args: readonly string[]): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, INSITU_WORKERS: WORKERS },
  })
  const ended = once(child, 'close')
  const [bytes] = (await Promise.race([once(child.stdout, 'data'), ended.then(() => [''])])) as [Buffer | string]
  const ms = performance.now() - start
  const [code] = (await ended) as [number | null]
  mustEqual(code, 0, `the exit code of node ${args.join(' ')}`)
  mustEqual(String(bytes), RESULT, 'the first result')
  return ms
}

/** `node -e 0`, which says nothing: until its end. */
async function bareNode(): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number | null]
  mustEqual(code, 0, 'the exit code of node -e 0')
  return performance.now() - start
}

const onNewFile: Sample = () => withFolder((folder) => untilResult([INSITU, `nvram:${join(folder, 'store')}`]))

async function startOn(bench: Bench, store: string, ours: Sample): Promise<void> {
  const contest: Contest = {
    case: `to the first result, ${store}`,
    unit: 'ms',
    better: 'lower',
    ours,
    rivals: { 'node -e 0': bareNode, piscina: () => untilResult([PISCINA]) },
  }
  const taken = await bench.take(contest)
  bench.report(contest, taken)
  bench.report({ ...contest, case: `${contest.case}, least` }, taken, (all) => Math.min(...all))
}

export const start: Benchmark = {
  name: 'start',
  about: 'process start to the first result of a task, beside `node -e 0`',
  async run(bench) {
    await startOn(bench, 'a new file', onNewFile)
    await startOn(bench, 'memory', () => untilResult([INSITU, 'memory:']))
    await startOn(bench, 'memory, a .ts program by `insitu run`', () => untilResult([COMMAND, 'run', SOURCE, 'memory:']))
  },
}
