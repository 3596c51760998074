import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { connect, finish, init } from 'insitu'
import { programs, type Wishes } from './runtime-programs.js'
import { ProgramRun } from './runtime-run.js'

interface Setup {
  readonly name: string
  readonly storage: 'memory' | 'nvram'
  readonly env: Readonly<Record<string, string>>
  readonly wishes: Partial<Wishes>
  /** Programs in the ordinary run. */
  readonly programs: number
}

const ALL: Wishes = { fails: true, cancels: true, stops: true, deletes: true, dies: true, steps: 40 }
const PROCESSES = { INSITU_WORKERS: '2', INSITU_ISOLATION: 'process' }
/** Few programs each, the same each time: at length and others, `INSITU_RANDOM_RUNS=1000`, and `INSITU_RANDOM_SEED` for one again that failed. */
const SETUPS: readonly Setup[] = [
  { name: 'two threads, memory', storage: 'memory', env: { INSITU_WORKERS: '2' }, wishes: { dies: false }, programs: 16 },
  { name: 'one thread, memory', storage: 'memory', env: { INSITU_WORKERS: '1' }, wishes: { dies: false }, programs: 6 },
  { name: 'three threads, a file', storage: 'nvram', env: { INSITU_WORKERS: '3' }, wishes: {}, programs: 4 },
  { name: 'two processes, memory', storage: 'memory', env: PROCESSES, wishes: {}, programs: 4 },
  { name: 'two processes, a file', storage: 'nvram', env: PROCESSES, wishes: { dies: false }, programs: 3 },
  { name: 'three hosts', storage: 'nvram', env: { INSITU_HOSTS: '3' }, wishes: { dies: false }, programs: 4 },
  { name: 'two hosts without placement', storage: 'nvram', env: { INSITU_HOSTS: '2', INSITU_PLACEMENT: 'off' }, wishes: {}, programs: 3 },
  // What has begun is not stopped where each call is at its end before the next begins.
  { name: 'the runtime off', storage: 'memory', env: { INSITU_RUNTIME: 'off' }, wishes: { stops: false, dies: false }, programs: 10 },
]

for (const { name, storage, env, wishes, programs: count } of SETUPS)
  describe(`random programs of tasks, with ${name}`, function () {
    const numRuns = Number(process.env['INSITU_RANDOM_RUNS'] ?? count)
    this.timeout(60_000 + 2000 * numRuns)
    let folder: string

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-random-'))
      await finish()
      Object.assign(process.env, env)
      await connect(storage === 'memory' ? 'memory:?private' : `nvram:${join(folder, 'store')}`)
      await init()
    })
    after(async () => {
      await finish()
      for (const key of Object.keys(env)) delete process.env[key]
      await rm(folder, { recursive: true, force: true })
    })

    it('give what the same calls give one after the other', async () => {
      const isOff = env['INSITU_RUNTIME'] === 'off'
      const without = Object.fromEntries((process.env['INSITU_RANDOM_WITHOUT'] ?? '').split(',').map((wish) => [wish, false]))
      const given = process.env['INSITU_RANDOM_SEED'] ?? (process.env['INSITU_RANDOM_RUNS'] === undefined ? '1' : undefined)
      const seed = given === undefined ? undefined : Number(given)
      await fc.assert(
        fc.asyncProperty(programs({ ...ALL, ...wishes, ...without }), (program) => new ProgramRun(program, { isOff, folder }).check()),
        { numRuns, ...(seed !== undefined && { seed }), interruptAfterTimeLimit: 480_000 },
      )
    })
  })
