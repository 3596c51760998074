/** `npm run fuzz -- --seconds N [--seed S] [--round N] [--json]` */
import { parseArgs } from 'node:util'
import { fuzz } from './supervise.js'

const USAGE = `usage: npm run fuzz -- [--seconds N] [--seed S] [--round N] [--json]

Reads records, rows, marks, aliases, keys, wire and value bytes that were flipped, cut, grown and mixed. Each must be refused with a typed
error, or read as what it is: no crash, no hang, no memory for lengths that are only claimed, nobody's prototype changed, nothing
wrong taken for right. The last line on stdout is {"seed","rounds","cases","refused","accepted","failures"}; exit code 1 after a failure.
  --seed   what chance begins with; the same seed and round is the same case
  --round  this round only, to see a failure again
  --json   nothing else is printed`

const SHOWN_MAX = 20

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      round: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const seconds = Number(values.seconds)
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed)
  const round = values.round === undefined ? undefined : Number(values.round)
  if (values.help || !(seconds > 0) || !Number.isInteger(seed) || (round !== undefined && !Number.isInteger(round))) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  if (!values.json) process.stderr.write(`seed ${seed}\n`)
  const { rounds, cases, refused, accepted, failures } = await fuzz({ seed, seconds, ...(round !== undefined && { round }) })
  if (!values.json)
    for (const { target, round: nth, how, what } of failures.slice(0, SHOWN_MAX))
      process.stderr.write(`${target}, ${how} (--seed ${seed} --round ${nth}): ${what}\n`)
  process.stdout.write(`${JSON.stringify({ seed, rounds, cases, refused, accepted, failures: failures.length })}\n`)
  return failures.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  const isUsage = String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')
  process.stderr.write(isUsage ? `${(error as Error).message}\n${USAGE}\n` : `${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = isUsage ? 2 : 3
}
