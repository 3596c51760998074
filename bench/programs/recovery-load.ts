/**
 * A run under load, for each line on stdin: `plain`, or `kill`, in the midst of which the process of a worker or of a host's agent is killed.
 * Says how long it took, and what was counted. Arguments: the store's url, and the workers.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { barrier, connect, finish, hosts, init, stats } from 'insitu'
import { Counter, countAfter, whoRuns } from '../bodies/load-tasks.js'

const [url, kind] = process.argv.slice(2) as [string, 'process' | 'hosts']
/** Twice as many as run at a time, so that each worker always has the next one. */
const COUNTERS = 4
const TASK_MS = 5
const TASKS = 240
const WEIGHT_BYTES = 100_000

await connect(url)
if (kind === 'process') await init({ workers: 2, isolation: 'process' })
const at = await hosts()
const counters = await Promise.all(
  Array.from({ length: COUNTERS }, (_, i) => {
    const counter = new Counter()
    if (kind === 'process') return counter.makePersistent()
    counter.weight = new Uint8Array(WEIGHT_BYTES)
    return counter.makePersistent(undefined, { host: at[i % at.length]! })
  }),
)

const probe = await new Counter().makePersistent()

async function run(kills: boolean): Promise<object> {
  const [before, lost] = [counters.reduce((sum, { n }) => sum + n, 0), stats()['lost']!]
  const victim = await whoRuns(probe)
  const start = performance.now()
  for (let i = 0; i < TASKS; i++) countAfter(counters[i % COUNTERS]!, TASK_MS)
  if (kills) {
    await delay(((TASKS / 2) * TASK_MS) / 2)
    process.kill(victim, 'SIGKILL')
  }
  await barrier()
  const ms = performance.now() - start
  return { ms, counted: counters.reduce((sum, { n }) => sum + n, 0) - before, asked: TASKS, lost: stats()['lost']! - lost }
}

for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(await run(line === 'kill'))}\n`)
await finish()
