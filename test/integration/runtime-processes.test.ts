import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { barrier, connect, finish, init, type Store, stats, task } from '../../runtime/index.js'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'
import * as t from './hostile-tasks.js'
import { node } from './processes.js'
import { thrown } from './thrown.js'

/** What a worker can do to itself, when it is a process: it may crash as a whole, which no thread survives. */
for (const storage of ['nvram', 'memory'])
  describe(`workers that are processes, on ${storage}`, function () {
    this.timeout(60_000)
    let folder: string
    let store: Store
    const marker = (name: string): string => join(folder, name)

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-processes-'))
      process.env['INSITU_WORKER_HEAP_MB'] = '100'
      store = await connect(storage === 'memory' ? 'memory:?private' : `nvram:${join(folder, 'store')}`)
      await init({ workers: 2, isolation: 'process' })
    })
    after(async () => {
      delete process.env['INSITU_WORKER_HEAP_MB']
      await finish()
      await rm(folder, { recursive: true, force: true })
    })

    it('tasks run in other processes, with objects, results and errors as in threads', async () => {
      expect(await t.processId()).not.to.equal(process.pid)
      const box = await new t.Box().makePersistent()
      for (let i = 0; i < 20; i++) t.addN(box, 1)
      await barrier()
      expect(box.n).to.equal(20)
      expect(stats().lost).to.equal(0)
      const made = await t.newBoxes(3)
      expect((await Promise.all(made.all.map((b) => b.load()))).map((b) => b.n)).to.deep.equal([0, 1, 2])
      expect((await t.bytesOf(5_000_000)).length).to.equal(5_000_000)
      expect(await thrown(() => t.throwOdd('far'))).to.be.instanceOf(t.OddError)
    })

    it('memory of large values is used again', async function () {
      if (process.platform !== 'linux' || !('glibcVersionRuntime' in (process.report.getReport() as { header: object }).header))
        return notRun(this, 'the allocator is not the one of glibc')
      const bytes = 8_000_000
      expect(await t.pagesAnArray(bytes)).to.be.below(bytes / 4096 / 4)
    })

    it('options that come too late, or are none, are refused', async () => {
      expect(await thrown(() => init({ isolation: 'thread' }))).to.have.property('code', 'ERR_RUN_BEGUN')
      expect(await thrown(() => init({ isolation: 'vat' as 'thread' }))).to.have.property('code', 'ERR_ISOLATION')
      expect(await thrown(() => init({ workers: 0 }))).to.have.property('code', 'ERR_WORKERS')
    })

    it('a body that exits, crashes, throws in a timer or fills its heap takes nobody along and says how', async () => {
      const bad = [t.exitWorker(7), t.abortWorker(), t.throwInTimer(), t.fillMemory()]
      const good = Array.from({ length: 100 }, (_, i) => t.square(i))
      const [exit, crash, timer, memory] = await Promise.all(bad.map((b) => thrown(() => b)))
      for (const error of [exit!, crash!, timer!, memory!]) expect(error).to.have.property('code', 'ERR_WORKER_LOST')
      expect((exit!.cause as Error).message).to.include('code 7')
      expect((crash!.cause as Error).message).to.include('SIGABRT')
      expect((timer!.cause as Error).message).to.equal('in a timer')
      expect(memory!.cause).to.have.property('code', 'ERR_WORKER_OUT_OF_MEMORY')
      expect(await Promise.all(good)).to.deep.equal(Array.from({ length: 100 }, (_, i) => i * i))
    })

    it('a body that loops, or whose process is frozen, is stopped when its time is over', async () => {
      for (const late of [t.loopForeverBriefly, t.freezeWorker]) {
        const beside = Array.from({ length: 10 }, (_, i) => t.square(i))
        expect(await thrown(() => late())).to.have.property('code', 'ERR_TASK_TIMEOUT')
        expect(await Promise.all(beside)).to.have.lengthOf(10)
      }
    })

    it('the signal reaches a body, and cancelling ends one that does not listen', async () => {
      expect(await thrown(() => t.waitForSignal())).to.have.property('code', 'ERR_TASK_TIMEOUT')
      const deaf = t.loopForever()
      await delay(100)
      deaf.cancel()
      expect(await thrown(() => deaf)).to.have.property('code', 'ERR_TASK_CANCELLED')
    })

    it('effects happen once when the process ends after its commit', async () => {
      const box = await new t.Box().makePersistent()
      for (let i = 0; i < 6; i++) t.addAndExitOnce(box, marker(`effects-${i}`))
      await barrier()
      expect(box.n).to.equal(6)
      expect(stats().lost).to.be.greaterThan(0)
    })

    it('a task that is out of time leaves its object as it was', async () => {
      const box = await new t.Box().makePersistent()
      const late = task.configure(t.addSlowly, { timeoutMs: 30 })
      expect(await thrown(() => late(box, 5000))).to.have.property('code', 'ERR_TASK_TIMEOUT')
      await box.reload()
      expect([box.n, store.closed]).to.deep.equal([0, false])
    })
  })

describe('a worker process that cannot be started', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-starting-'))
    await writeFile(join(folder, 'exit.cjs'), 'process.exit(9)')
    await connect('memory:?private')
    await init({ workers: 2, isolation: 'process' })
  })
  after(async () => {
    delete process.env['NODE_OPTIONS']
    await finish()
    await rm(folder, { recursive: true, force: true })
  })

  it('ends no run of which another works, and is started when it can be', async () => {
    await t.square(1) // by the first
    process.env['NODE_OPTIONS'] = `--require ${join(folder, 'exit.cjs')}`
    expect(await Promise.all([1, 2, 3].map((x) => t.slowly(x, 700)))).to.deep.equal([1, 2, 3])
    delete process.env['NODE_OPTIONS']
    for (let pids = new Set<number>(); pids.size < 2; ) pids = new Set(await Promise.all([1, 2].map(() => t.processIdLater(50))))
  })
})

describe('what init() asks for', function () {
  this.timeout(60_000)

  it('is for its run: the next one is as the environment says', async () => {
    for (const isolation of ['process', undefined] as const) {
      await connect('memory:?private')
      await init({ ...(isolation && { isolation, workers: 1 }) })
      expect((await t.processId()) === process.pid).to.equal(isolation === undefined)
      await finish()
    }
  })
})

describe('worker processes of a program that is gone', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-orphans-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('end, although their task loops for ever', async () => {
    const tasks = pathToFileURL(join(root, 'dist/test/integration/hostile-tasks.js')).href
    await writeFile(join(folder, 'app.mjs'), `import { loopAndTell } from '${tasks}'; await loopAndTell(process.argv[2])`)
    const told = join(folder, 'pid')
    const child = spawn(process.execPath, [join(folder, 'app.mjs'), told], {
      env: { ...process.env, INSITU_STORAGE: 'memory:', INSITU_ISOLATION: 'process' },
      stdio: 'ignore',
    })
    while (!existsSync(told) || readFileSync(told, 'utf8') === '') await delay(20)
    const worker = Number(readFileSync(told, 'utf8'))
    process.kill(worker, 0)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const untilMs = performance.now() + 30_000
    while (isAlive(worker) && performance.now() < untilMs) await delay(50)
    expect(isAlive(worker)).to.equal(false)
  })
})

describe('a process that a task leaves behind', function () {
  this.timeout(60_000)
  for (const [where, env] of Object.entries({ process: { INSITU_ISOLATION: 'process' }, host: { INSITU_HOSTS: '2' } }))
    it(`keeps nobody from the end of the ${where} that it came from`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'insitu-left-'))
      const program = fileURLToPath(new URL('./left-behind.js', import.meta.url))
      const { code, stdout } = await node([program, `nvram:${join(folder, 'store')}`], { env, stateFolder: folder })
      await rm(folder, { recursive: true, force: true })
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'ended' })
    })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that has ended and whom nobody has waited for still answers.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
