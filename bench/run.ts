/** `npm run bench -- NAME [--json] [--samples N] [--count N] [--mb N]`: benchmarks, each beside its rivals, in one run. */
import { parseArgs } from 'node:util'
import { cassandra } from './cassandra/index.js'
import { codec } from './codec.js'
import { file } from './file.js'
import { growth } from './growth.js'
import { Bench, type Benchmark, type Options } from './harness.js'
import { histogram } from './histogram.js'
import { memory } from './memory.js'
import { recovery } from './recovery.js'
import { redis } from './redis/index.js'
import { scheduler } from './scheduler.js'
import { start } from './start.js'
import { tasks } from './tasks.js'
import { wordcount } from './wordcount.js'

const BENCHMARKS: readonly Benchmark[] = [
  tasks,
  file,
  codec,
  growth,
  memory,
  wordcount,
  histogram,
  recovery,
  start,
  scheduler,
  redis,
  cassandra,
]

const USAGE = `usage: npm run bench -- NAME [CASES] [--json] [--samples N] [--count N] [--mb N]

${BENCHMARKS.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}

  --json        one line of JSON per figure on stdout and nothing else
  --samples N   timed runs of everyone, default 5; figures are their medians
  --count N     tasks or objects of one run
  --mb N        megabytes of text (wordcount) or values (histogram)
`

class UsageError extends Error {}

function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new UsageError(`--${name} takes a whole number above 0, not ${text}`)
}

function commandLine(): { readonly names: readonly string[]; readonly options: Options; readonly help: boolean } {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, samples: text, count: text, mb: text },
  })
  const count = positive(values.count, 'count')
  const mb = positive(values.mb, 'mb')
  const options = { json: values.json ?? false, samples: positive(values.samples, 'samples') ?? 5 }
  return {
    names: positionals,
    options: { ...options, ...(count !== undefined && { count }), ...(mb !== undefined && { mb }) },
    help: values.help ?? false,
  }
}

/** `tasks noop rtt file`: names of groups of cases stand behind their benchmark's. */
function wantedOf(names: readonly string[]): readonly { readonly benchmark: Benchmark; readonly cases: string[] }[] {
  const wanted: { readonly benchmark: Benchmark; readonly cases: string[] }[] = []
  for (const name of names) {
    const last = wanted.at(-1)
    const benchmark = BENCHMARKS.find((b) => b.name === name)
    if (last?.benchmark.cases?.includes(name)) last.cases.push(name)
    else if (benchmark) wanted.push({ benchmark, cases: [] })
    else throw new UsageError(`there is no benchmark ${name}`)
  }
  return wanted
}

async function main(): Promise<number> {
  const { names, options, help } = commandLine()
  if (help || names.length === 0) {
    process.stdout.write(USAGE)
    return 0
  }
  for (const { benchmark, cases } of wantedOf(names)) await benchmark.run(new Bench(benchmark.name, options, cases))
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE'))
  process.stderr.write(isUsage ? `${(error as Error).message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = isUsage ? 2 : 1
}
