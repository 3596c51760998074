import { parseArgs } from 'node:util'
import { runSchedules } from './commit-model.js'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})

const start = performance.now()
const counts = await runSchedules({ seeds: Number(values.schedules), from: Number(values.seed) })
const seconds = (performance.now() - start) / 1000

if (values.json) console.log(JSON.stringify({ ...counts, seconds }))
else {
  console.log(
    `${counts.schedules} schedules, ${counts.events} events, ${counts.commits} commits, ${counts.crashes} crashes, ${seconds.toFixed(1)} s`,
  )
  console.log(`longest schedule: ${counts.longest} events; violations: ${counts.violations.length}`)
  for (const { seed, what } of counts.violations.slice(0, 20)) console.log(`seed ${seed}: ${what.join('\n  ')}`)
}
process.exitCode = counts.violations.length > 0 ? 1 : 0
