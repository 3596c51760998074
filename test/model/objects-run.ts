/** `npm run random-objects -- [URL] [RUNS] [SEED] [PATH]`: random programs of objects at length. */
import fc from 'fast-check'
import { programs } from './objects-actions.js'
import { tally } from './objects-session.js'
import { withData } from './objects-subjects.js'
import { World } from './objects-world.js'

const [url = 'memory:', runs = '500', seed, path] = process.argv.slice(2)
const property = fc.asyncProperty(programs(40), (steps) => withData(url, (open) => World.run(open, steps)))
const done = await fc.check(property, {
  numRuns: Number(runs),
  ...(seed && { seed: Number(seed) }),
  ...(path && { path, endOnFailure: true }),
})
for (const [what, times] of [...tally].sort()) console.log(`${String(times).padStart(8)}  ${what}`)
if (done.failed) {
  console.log(`failed with seed ${done.seed}, path ${done.counterexamplePath}, run ${done.numRuns}`)
  const [program] = done.counterexample!
  console.log(`first: ${program.first}`)
  for (const step of program.steps) console.log(fc.stringify(step))
  console.log((done.errorInstance as Error).message.slice(0, 3000))
  for (let e = done.errorInstance as Error | undefined; e; e = e.cause as Error | undefined)
    if (!e.cause) console.log(e.stack?.slice(0, 3000))
  process.exitCode = 1
} else console.log(`${runs} programs on ${url}: all well`)
