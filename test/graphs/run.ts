/** `npm run simulate-graphs -- [--json] [--only NAME] [--limited]`: published task graphs through the scheduler, on a simulated cluster. */
import { commandOptions } from '../tools/command-options.js'
import { type CompareOptions, compareAll, geometricMean, simulateWorkflows } from './compare.js'
import { graphFolder } from './graph-files.js'

const USAGE = `usage: npm run simulate-graphs -- [--json] [--only TEXT] [--limited]

The makespan of each graph, beside the best of six schedulers, and the geometric mean.
  --only     only graphs that have this in their names
  --limited  four downloads at a time
  --json     lines of JSON`

const values = commandOptions(USAGE, {
  json: { type: 'boolean', default: false },
  only: { type: 'string' },
  limited: { type: 'boolean', default: false },
})

const rounded = (x: number): number => Number(x.toPrecision(6))
const print = (line: Record<string, string | number>, text: string): void => {
  const tidy = Object.fromEntries(Object.entries(line).map(([key, value]) => [key, typeof value === 'number' ? rounded(value) : value]))
  console.log(values.json ? JSON.stringify(tidy) : text)
}

function run(folder: string, options: CompareOptions): void {
  const start = performance.now()
  const ratios: number[] = []
  for (const line of compareAll(folder, options)) {
    const { graph, cluster, network, makespan, best, bestBy, ratio } = line
    ratios.push(ratio)
    const text = `${graph.padEnd(18)} ${cluster.padEnd(5)} ${network.padEnd(7)} ${makespan.toFixed(1).padStart(9)} s`
    print({ ...line }, `${text}   ${ratio.toFixed(3)} of ${best.toFixed(1)} s (${bestBy})`)
  }
  for (const line of simulateWorkflows(folder, options)) {
    const { graph, cluster, network, makespan, bound, recorded } = line
    const text = `${graph.padEnd(42)} ${cluster.padEnd(5)} ${network.padEnd(7)} ${makespan.toFixed(1).padStart(9)} s`
    print({ ...line }, `${text}   at least ${bound.toFixed(1)} s; recorded ${recorded} s`)
  }
  if (ratios.length === 0) return
  const mean = geometricMean(ratios)
  const worst = Math.max(...ratios)
  const seconds = (performance.now() - start) / 1000
  print(
    { rows: ratios.length, mean, worst, seconds },
    `${ratios.length} rows against the best of six schedulers: ${mean.toFixed(3)} by geometric mean, the worst ${worst.toFixed(3)}; ${seconds.toFixed(0)} s`,
  )
}

const folder = graphFolder()
if (folder === undefined) {
  console.log(
    values.json
      ? JSON.stringify({ notRun: 'the graphs are not here' })
      : 'not run: the graphs are not here (INSITU_TEST_DATA names their folder)',
  )
} else run(folder, { only: values.only, limited: values.limited })
