/** `npm run model-links -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]`: random programs on two stores that refer to each other. */
import { parseArgs } from 'node:util'
import { checkLinks, PAIRS } from './links-check.js'

const USAGE = `usage: npm run model-links -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]

Runs random programs on the dicts of two stores, whose rows refer to objects of both, and compares all that is seen with a model.
Exit code 1 if they differ. WHERE is one of ${Object.keys(PAIRS).join(', ')}: servers are then started, and ended.
  --seeds   how many programs (100)
  --seed    what they are made from (the clock)
  --actions so many actions in a program at most (25)
  --path    where a failure was narrowed down to, as it says itself`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '100' },
      seed: { type: 'string' },
      actions: { type: 'string', default: '25' },
      path: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const where = PAIRS[positionals[0] ?? '']
  if (values.help || !where) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
  process.stderr.write(`seed ${seed}\n`)
  const path = values.path === undefined ? {} : { path: values.path }
  try {
    await checkLinks(where, { runs: Number(values.seeds), seed, actionsMax: Number(values.actions), ...path })
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n${(error as { cause?: Error }).cause?.stack ?? ''}\n`)
    return 1
  }
  process.stdout.write(`${values.seeds} programs: no difference\n`)
  return 0
}

process.exitCode = await main()
