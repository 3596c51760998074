/** `npm run model-dicts -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]`: random programs on dicts, at length. */
import { parseArgs } from 'node:util'
import { subjectAt } from '../conformance/subjects.js'
import { checkDicts } from './dict-check.js'
import { PLACES, type Place } from './dict-places.js'

const USAGE = `usage: npm run model-dicts -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]

Runs random programs on dicts, on data of its own, and compares all that is seen with a model. Exit code 1 if they differ.
WHERE is a url, or one of ${Object.keys(PLACES).join(', ')}: a server is then started, and ended.
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
  const [where] = positionals
  if (values.help || !where) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
  process.stderr.write(`seed ${seed}\n`)
  const place: Place = await (PLACES[where]?.() ?? { factory: subjectAt(where), stop: async () => {} })
  try {
    const path = values.path === undefined ? {} : { path: values.path }
    await checkDicts(place.factory, { runs: Number(values.seeds), seed, actionsMax: Number(values.actions), ...path })
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n${(error as { cause?: Error }).cause?.stack ?? ''}\n`)
    return 1
  } finally {
    await place.stop()
  }
  process.stdout.write(`${values.seeds} programs: no difference\n`)
  return 0
}

process.exitCode = await main()
