import { parseArgs } from 'node:util'

export interface AtLength {
  readonly runs: number
  readonly seed: number
  readonly actionsMax: number
  readonly path?: string
}

/** What all commands for random programs take. */
export const OPTIONS_USAGE = `  --seeds   how many programs (100)
  --seed    what they are made from (the clock)
  --actions so many actions in a program at most (25)
  --path    where a failure was narrowed down to, as it says itself`

/** Runs random programs as the command line says, and sets the exit code: 1 if they differ from their model, 2 where `at` knows no such place. */
export async function atLength<Where>(
  usage: string,
  at: (name: string | undefined) => Where | undefined,
  check: (where: Where, options: AtLength) => Promise<void>,
): Promise<void> {
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
  const where = at(positionals[0])
  if (values.help || where === undefined) {
    process.stderr.write(`${usage}\n`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
  process.stderr.write(`seed ${seed}\n`)
  const path = values.path === undefined ? {} : { path: values.path }
  try {
    await check(where, { runs: Number(values.seeds), seed, actionsMax: Number(values.actions), ...path })
    process.stdout.write(`${values.seeds} programs: no difference\n`)
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n${(error as { cause?: Error }).cause?.stack ?? ''}\n`)
    process.exitCode = 1
  }
}
