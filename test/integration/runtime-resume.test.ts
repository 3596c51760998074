import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { newId } from '../../src/ids.js'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu } from './processes.js'

const STEPS = 40
/** A step that a program can be held at, so that it is not over before it is killed, however late that is. */
const HELD_AT = 25
const entry = pathToFileURL(join(root, 'dist/runtime/index.js')).href

const TASKS = `
  import { appendFileSync, existsSync } from 'node:fs'
  import { INOUT, StorageObject, task } from '${entry}'
  export class Counter extends StorageObject { n = 0 }
  /** Tells each time that it runs. One in the middle waits as long as there is the file that holds it. */
  export const add = task(async (counter, log, by) => {
    appendFileSync(log, by + ' ')
    counter.n += 1
    while (by === ${HELD_AT} && existsSync(log + '.hold')) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, 15))
    return by
  }, { args: [INOUT] })
  export const sum = task(async (a, b) => a + (await b))
  export const twice = task((x) => 2 * x)
  export const thrice = task((x) => 3 * x)
  export const fail = task(() => { throw new RangeError('not this time') })`

const APP = `
  import { appendFileSync, existsSync } from 'node:fs'
  import { main, stats } from '${entry}'
  import { add, Counter, fail, sum } from './tasks.mjs'
  main(import.meta, async () => {
    const [log, failing] = process.argv.slice(2)
    const counter = await new Counter().makePersistent('counter', { ifExists: 'open' })
    let total = 0
    for (let i = 1; i <= ${STEPS}; i++) total = sum(total, add(counter, log, i))
    if (failing && !existsSync(failing)) {
      await total
      appendFileSync(failing, 'failed once')
      await fail()
    }
    console.log(await total, (await counter.reload()).n, stats().resumed)
  })`

/** Calls what it is told to, in a life of its own each time; the first one fails in the end. */
const BRANCHES = `
  import { appendFileSync, existsSync } from 'node:fs'
  import { main, stats } from '${entry}'
  import { fail, thrice, twice } from './tasks.mjs'
  main(import.meta, async () => {
    const [failing, ...calls] = process.argv.slice(2)
    const tasks = { twice, thrice }
    const made = calls.map((call) => tasks[call.split(':')[0]](Number(call.split(':')[1])))
    console.log(...await Promise.all(made), stats().resumed)
    if (existsSync(failing)) return
    appendFileSync(failing, 'failed once')
    await fail()
  })`

const LARGE = 200_000

const LARGE_TASKS = `
  import { INOUT, StorageObject, task } from '${entry}'
  export class Counter extends StorageObject { n = 0 }
  export const add = task((counter, bytes) => String(++counter.n).repeat(bytes), { args: [INOUT] })`

const LARGE_APP = `
  import { main } from '${entry}'
  import { add, Counter } from './large-tasks.mjs'
  main(import.meta, async () => {
    const counter = await new Counter().makePersistent('counter', { ifExists: 'open' })
    const made = [await add(counter, 1), await add(counter, ${LARGE}), await add(counter, 1)]
    console.log(...made.map((text) => text[0] + ' ' + text.length), (await counter.reload()).n)
  })`

const TEXT_TASKS = `
  import { INOUT, StorageObject, task } from '${entry}'
  import { scale } from './scale.mjs'
  export class Counter extends StorageObject { n = 0 }
  export const times = task((n) => n * scale)
  export const keep = task((counter, n) => void (counter.n = n), { args: [INOUT] })
  export const fail = task(() => { throw new RangeError('not this time') })`

const TEXT_APP = `
  import { main, stats } from '${entry}'
  import { Counter, fail, keep, times } from './tasks.mjs'
  main(import.meta, async () => {
    const counter = await new Counter().makePersistent('counter', { ifExists: 'open' })
    const value = await times(21)
    if (process.argv.includes('stored')) await keep(counter, value)
    console.log(value, 'resumed', stats().resumed)
    if (process.argv.includes('failing')) await fail()
  })`

/** A program that is killed, and started again as the same run. */
describe('a run that is gone on with', function () {
  this.timeout(60_000)
  let folder: string
  let n = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-resume-'))
    await writeFile(join(folder, 'tasks.mjs'), TASKS)
    await writeFile(join(folder, 'app.mjs'), APP)
    await writeFile(join(folder, 'branches.mjs'), BRANCHES)
    await writeFile(join(folder, 'large-tasks.mjs'), LARGE_TASKS)
    await writeFile(join(folder, 'large-app.mjs'), LARGE_APP)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const fresh = (): { readonly log: string; readonly storage: string; readonly run: string } => {
    const at = join(folder, String(n++))
    return { log: `${at}.log`, storage: `nvram:${at}`, run: newId() }
  }
  const ran = (log: string): readonly number[] => readFileSync(log, 'utf8').trim().split(' ').map(Number)
  const start = (args: readonly string[], storage: string): ReturnType<typeof spawn> =>
    spawn(process.execPath, [join(root, 'dist/runtime/cli/insitu.js'), 'run', '--storage', storage, ...args], {
      env: { ...process.env, INSITU_STATE: folder },
      stdio: 'ignore',
    })
  const finish = (args: readonly string[], storage: string): Promise<Ended> =>
    insitu(['run', '--storage', storage, ...args], { stateFolder: folder })

  for (const hosts of [undefined, '3'])
    it(`does not do again what was done${hosts ? ', on logical hosts' : ''}, and everything once`, async () => {
      const { log, storage, run } = fresh()
      const args = ['--run', run, ...(hosts ? ['--hosts', hosts] : []), join(folder, 'app.mjs'), log]
      writeFileSync(`${log}.hold`, '')
      const child = start(args, storage)
      while (!existsSync(log) || ran(log).length < HELD_AT) await delay(5)
      child.kill('SIGKILL')
      await once(child, 'close')
      await delay(300) // workers of the dead program end by themselves
      expect(ran(log).length).to.equal(HELD_AT)
      rmSync(`${log}.hold`)
      // What was being written when it died.
      appendFileSync(join(folder, 'checkpoints', `${run}.log`), Buffer.from([200, 0, 0, 0, 1, 2, 3, 4, 5, 6]))

      const { stdout } = assertOk(await finish(args, storage))
      const [total, counted, resumed] = stdout.trim().split(' ').map(Number)
      expect([total, counted]).to.deep.equal([(STEPS * (STEPS + 1)) / 2, STEPS])
      expect(resumed).to.be.greaterThan(STEPS / 4)
      // Each ran once, but for the few that were under way when the program died.
      expect(ran(log).length).to.be.lessThan(STEPS + 4)
      expect(new Set(ran(log)).size).to.equal(STEPS)
      expect(existsSync(join(folder, 'checkpoints', `${run}.log`))).to.equal(false)
    })

  it('has the outcome of a task that had committed when the program was killed, however large, and leaves none behind', async () => {
    const { storage, run } = fresh()
    const args = ['run', '--storage', storage, '--run', run, join(folder, 'large-app.mjs')]
    // Counted by thread: the program's second commit would be its end as well, but it has only one.
    const killed = await insitu(args, { stateFolder: folder, env: { INSITU_FAILPOINT: 'alone-done:2', INSITU_WORKERS: '1' } })
    expect([killed.code, killed.stdout]).to.deep.equal([null, ''])
    const listed = ['ls', '--all', '--class', 'insitu#chunk', '--storage', storage]
    expect(assertOk(await insitu(listed)).stdout).to.include('insitu#chunk')

    expect(assertOk(await insitu(args, { stateFolder: folder })).stdout.trim()).to.equal(`1 1 2 ${LARGE} 3 1 3`)
    expect(assertOk(await insitu(listed)).stdout).to.equal('')
  })

  it('goes on after a failure too, and begins anew once it has succeeded', async () => {
    const { log, storage, run } = fresh()
    const args = ['--run', run, join(folder, 'app.mjs'), log, `${log}.failed`]
    const failed = await finish(args, storage)
    expect([failed.code, failed.stderr.includes(`what run ${run} has done is kept`)]).to.deep.equal([1, true])
    expect(assertOk(await finish(args, storage)).stdout.trim()).to.equal(`${(STEPS * (STEPS + 1)) / 2} ${STEPS} ${2 * STEPS}`)
    expect(ran(log)).to.have.lengthOf(STEPS)
    expect(assertOk(await finish(args, storage)).stdout.trim()).to.equal(`${(STEPS * (STEPS + 1)) / 2} ${2 * STEPS} 0`)
  })

  it('makes again what another text of its tasks makes, and refuses to where the former text has changed the store', async () => {
    const { storage, run, log } = fresh()
    const own = await mkdtemp(join(folder, 'texts-'))
    await writeFile(join(own, 'tasks.mjs'), TEXT_TASKS)
    await writeFile(join(own, 'app.mjs'), TEXT_APP)
    const scale = (by: number): Promise<void> => writeFile(join(own, 'scale.mjs'), `export const scale = ${by}\n`)
    const go = (...args: string[]): Promise<Ended> => finish(['--run', run, join(own, 'app.mjs'), log, ...args], storage)
    await scale(2)
    expect((await go('failing')).code).to.equal(1)
    await scale(3)
    expect((await go('failing')).stdout).to.equal('63 resumed 0\n')
    expect((await go('failing', 'stored')).stdout).to.equal('63 resumed 1\n')
    await scale(4)
    const refused = await go('stored')
    expect([refused.code, refused.stderr.includes('ERR_RUN_CHANGED')]).to.deep.equal([2, true])
    expect(refused.stderr).to.match(/task (?:keep|tasks.mjs:6) has changed the store in this run, by another text/)
    await scale(3)
    await writeFile(join(own, 'tasks.mjs'), TEXT_TASKS.replace('counter.n = n)', 'counter.n = -n)'))
    expect((await go('stored')).stderr).to.include('ERR_RUN_CHANGED')
    await writeFile(join(own, 'tasks.mjs'), TEXT_TASKS)
    // what it has just made by the text that was refused is no news of the one before
    expect(assertOk(await go('stored')).stdout).to.equal('63 resumed 1\n')
  })

  it('takes nothing for done that is called with something else, or is another task', async () => {
    const { log, storage, run } = fresh()
    const life = async (...calls: readonly string[]): Promise<string> =>
      (await finish(['--run', run, join(folder, 'branches.mjs'), log, ...calls], storage)).stdout.trim()
    expect(await life('twice:1', 'twice:2', 'twice:3', 'thrice:4')).to.equal('2 4 6 12 0')
    expect(await life('twice:1', 'twice:5', 'thrice:3', 'thrice:4')).to.equal('2 10 9 12 2')
  })

  it('two programs cannot go on with one run, and an id is an id', async () => {
    const { log, storage, run } = fresh()
    const args = ['--run', run, join(folder, 'app.mjs'), log]
    writeFileSync(`${log}.hold`, '')
    const child = start(args, storage)
    while (!existsSync(log)) await delay(5)
    const second = await finish(args, storage)
    expect([second.code, second.stderr.includes('goes on in process')]).to.deep.equal([1, true])
    child.kill('SIGKILL')
    await once(child, 'close')
    expect((await finish(['--run', 'nonsense', join(folder, 'app.mjs')], storage)).code).to.equal(2)
  })
})
