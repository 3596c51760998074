import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { newId } from '../../src/ids.js'
import { insitu } from '../integration/processes.js'
import { killsProgram } from './runtime-kill.js'
import { flat } from './runtime-oracle.js'
import { type Program, programs } from './runtime-programs.js'
import { asked } from './runtime-setups.js'

const APP = fileURLToPath(new URL('./runtime-app.js', import.meta.url))
/** A program kills itself twice at most. */
const LIVES_MAX = 3

interface Place {
  readonly name: string
  readonly args: readonly string[]
  readonly stores: readonly string[]
  readonly seed: number
}

const PLACES: readonly Place[] = [
  { name: 'threads', args: [], stores: ['a'], seed: 17 },
  { name: 'processes and two stores', args: ['--isolation', 'process'], stores: ['a', 'b'], seed: 18 },
  { name: 'three hosts', args: ['--hosts', '3'], stores: ['a'], seed: 21 },
]

/** Those that kill themselves on the way, twice at most. */
const isKilled = ({ steps }: Program): boolean => flat(steps).some((step) => step.step === 'kill' && killsProgram(step.which))

/** The program compares what it sees, and what is stored, with what the same calls give one after the other: in its last life. */
for (const { name, args, stores, seed } of PLACES)
  describe(`random programs of tasks that are killed, and go on, with ${name}`, function () {
    const wishes = { kills: true, keepsLarge: true, resumes: true, deletes: false, cancels: false, stops: false }
    const { wishes: all, options } = asked({ wishes, programs: 1, seed })
    this.timeout(60_000 + 60_000 * options.numRuns)

    it('give what the same calls give one after the other', async () => {
      const from = options.seed ?? Date.now() % 2 ** 31
      for (const [i, program] of fc.sample(programs(all).filter(isKilled), { ...options, seed: from }).entries())
        await runToItsEnd(program, { args, stores, what: `program ${i} of seed ${from}` })
    })
  })

async function runToItsEnd(program: Program, { args, stores, what }: Pick<Place, 'args' | 'stores'> & { what: string }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-resumed-'))
  await writeFile(join(folder, 'program.json'), JSON.stringify(program))
  const command = ['run', '--run', newId(), ...args, APP, folder, ...stores.map((store) => `nvram:${join(folder, store)}`)]
  for (let life = 1; ; life++) {
    const pids = join(folder, `pids-${life}`)
    await mkdir(pids)
    const { code, stderr } = await insitu(command, { stateFolder: folder, env: { INSITU_WORKERS: '2', INSITU_RANDOM_PIDS: pids } })
    if (code === 0 && stderr === '') break
    if (code !== null || life === LIVES_MAX) throw new Error(`${what}, in ${folder}: life ${life} ended with code ${code}:\n${stderr}`)
  }
  await rm(folder, { recursive: true, force: true })
}
