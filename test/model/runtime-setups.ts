/** Where random programs of tasks run, and how many of them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { connect, finish, init, type Store } from 'insitu'
import { killOne } from './runtime-kill.js'
import { type Program, programs, type Wishes } from './runtime-programs.js'
import { ProgramRun } from './runtime-run.js'

export interface Setup {
  readonly name: string
  /** `nvram+nvram`: objects lie in two stores. */
  readonly storage: 'memory' | 'nvram' | 'nvram+nvram'
  readonly env: Readonly<Record<string, string>>
  readonly wishes: Partial<Wishes>
  /** Programs in the ordinary run. */
  readonly programs: number
  /** Which ones those are. */
  readonly seed?: number
}

const ALL: Wishes = {
  fails: true,
  cancels: true,
  stops: true,
  deletes: true,
  dies: true,
  kills: false,
  keepsLarge: false,
  promises: true,
  resumes: false,
  steps: 40,
}
export const PROCESSES = { INSITU_WORKERS: '2', INSITU_ISOLATION: 'process' }

/** What is asked for by the environment: `INSITU_RANDOM_RUNS=1000` others at length, `INSITU_RANDOM_SEED` one again that failed. */
export function asked({ wishes, programs: count, seed: usual = 1 }: Pick<Setup, 'wishes' | 'programs' | 'seed'>): {
  readonly wishes: Wishes
  readonly options: { readonly numRuns: number; readonly seed?: number }
} {
  const { INSITU_RANDOM_RUNS: runs, INSITU_RANDOM_SEED: again, INSITU_RANDOM_WITHOUT: without = '' } = process.env
  const left = Object.fromEntries(without.split(',').map((wish) => [wish, false]))
  const seed = again ?? (runs === undefined ? usual : undefined)
  return {
    wishes: { ...ALL, ...wishes, ...left },
    options: { numRuns: Number(runs ?? count), ...(seed !== undefined && { seed: Number(seed) }) },
  }
}

/** Describes random programs of a setup, that must give what the same calls give one after the other. */
export function randomPrograms(setup: Setup): void {
  const { wishes, options } = asked(setup)
  const { name, storage, env } = setup
  describe(`random programs of tasks, with ${name}`, function () {
    this.timeout(60_000 + 6000 * options.numRuns)
    let folder: string
    const stores: Store[] = []

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-random-'))
      await finish()
      await mkdir(join(folder, 'pids'))
      Object.assign(process.env, env, env['INSITU_ISOLATION'] === 'process' && { INSITU_RANDOM_PIDS: join(folder, 'pids') })
      if (storage === 'nvram+nvram') stores.push(await connect(`nvram:${join(folder, 'other')}`))
      stores.push(await connect(storage === 'memory' ? 'memory:?private' : `nvram:${join(folder, 'store')}`))
      await init()
    })
    after(async () => {
      await finish()
      for (const store of stores.splice(0)) await store.close()
      for (const key of [...Object.keys(env), 'INSITU_RANDOM_PIDS']) delete process.env[key]
      await rm(folder, { recursive: true, force: true })
    })

    it('give what the same calls give one after the other', async () => {
      const where = { isOff: env['INSITU_RUNTIME'] === 'off', folder, stores, kill: killOne }
      await checkAll(wishes, options, (program) => new ProgramRun(program, where).check())
    })
  })
}

/** Checks random programs, and tells of the smallest that differs what was wrong with it. */
export async function checkAll(
  wishes: Wishes,
  options: ReturnType<typeof asked>['options'],
  check: (program: Program) => Promise<void>,
): Promise<void> {
  try {
    await fc.assert(fc.asyncProperty(programs(wishes), check), { ...options, interruptAfterTimeLimit: 480_000 })
  } catch (error) {
    const { message, cause } = error as Error
    throw new Error(`${message}\n${inspect(cause)}`, { cause })
  }
}
