/** What a process that opens a store does to those that write it: see backends/nvram/lock-file.ts. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createBackend } from '../../backends/nvram/index.js'
import { type Lockable, openLocked, Transactions } from '../../backends/nvram/lock-file.js'
import type { Backend, Ref } from '../../src/backend.js'
import { newThing, putOp, send, stored } from './backend-spec.js'

const CHILD = fileURLToPath(new URL('./backend-nvram-child.js', import.meta.url))

describe('nvram: the lock file', function () {
  this.timeout(60_000)
  let folder: string
  let backend: Backend
  const refs: Ref[] = []
  const openers: ChildProcess[] = []
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'insitu-lock-'))
    backend = createBackend(`nvram:${folder}`)
    await backend.open()
  })
  afterEach(async () => {
    for (const opener of openers.splice(0)) {
      opener.kill('SIGKILL')
      if (opener.exitCode === null && opener.signalCode === null) await once(opener, 'close')
    }
    refs.length = 0
    await backend.close()
    rmSync(folder, { recursive: true })
  })

  async function commit(): Promise<void> {
    const ref = newThing()
    refs.push(ref)
    await send(backend, putOp(ref, { v: refs.length - 1 }))
  }

  async function expectAll(): Promise<void> {
    const found = await backend.read(refs)
    expect(found.map((one) => one?.cells.get('v'))).to.deep.equal(refs.map((_, i) => i))
  }

  /** As an opener leaves it that read the number before our last commits. In a process of its own: closing the file here would give up our locks. */
  function setBack(by: bigint): void {
    const program = `
      import { openSync, readSync, writeSync } from 'node:fs'
      const [file, newest] = [openSync(process.argv[1], 'r+'), new BigUint64Array(1)]
      readSync(file, newest, 0, 8, 8)
      newest[0] = newest[0] > ${by}n ? newest[0] - ${by}n : 0n
      writeSync(file, newest, 0, 8, 8)`
    execFileSync(process.execPath, ['--input-type=module', '-e', program, join(folder, 'lock.mdb')])
  }

  // An even and an odd number: they differ in which of the file's two first pages is taken for the newest.
  for (const by of [1n, 2n, 1000n]) {
    it(`that went back by ${by} hides no commit from readers`, async () => {
      for (let i = 0; i < 5; i++) await commit()
      setBack(by)
      await expectAll()
    })

    it(`that went back by ${by} loses no commit to the next`, async () => {
      for (let i = 0; i < 5; i++) await commit()
      setBack(by)
      await commit()
      await expectAll()
      setBack(by)
      await Promise.all([commit(), commit()])
      await backend.close()
      await backend.open()
      await expectAll()
    })
  }

  it('lets a read begin anew after whatever was committed, and goes on with the same state when nothing was', () => {
    let [newest, reading, begun] = [7, 1, 0]
    const file: Lockable = {
      newest: () => newest,
      reading: () => reading,
      readAnew: () => {
        begun++
        reading++
      },
      writing: () => newest + 1,
      transaction: (change) => change(),
    }
    const transactions = new Transactions(file, join(folder, 'nowhere'), { committed: 0, durable: 0 })
    const begins = (): number => {
      const before = begun
      transactions.refresh()
      return begun - before
    }
    expect([begins(), begins(), begins()], 'nothing happens').to.deep.equal([1, 0, 0])
    newest++
    expect([begins(), begins()], 'another process has committed').to.deep.equal([1, 0])
    reading++
    expect([begins(), begins()], 'lmdb has begun to read by itself').to.deep.equal([1, 0])
  })

  it('is set right for this process by another that opens the store', async () => {
    await commit()
    setBack(1n)
    const other = createBackend(`nvram:${folder}`)
    await other.open()
    await Promise.all([other.close(), other.open()])
    expect(await stored(other, refs[0]!)).to.not.equal(undefined)
    await other.close()
  })

  it('that others are just making, or taking away, is opened again; what else is wrong with it is told at once', async () => {
    const opened = async (errors: readonly Error[]): Promise<readonly [end: unknown, times: number]> => {
      let times = 0
      const end = await openLocked(async () => {
        const error = errors[times++]
        if (error) throw error
        return 'open'
      }).catch((thrown: unknown) => thrown)
      return [end, times]
    }
    const halfMade = [new Error('MDB_LOCK_FAILURE: no locks'), Object.assign(new Error('Invalid argument'), { code: 22 })]
    expect(await opened(halfMade)).to.deep.equal(['open', 3])
    const denied = new Error('Permission denied')
    expect(await opened([denied])).to.deep.equal([denied, 1])
  })

  it('harms no commit while others open and close the store', async () => {
    for (let i = 0; i < 2; i++)
      openers.push(spawn(process.execPath, [CHILD, 'reopen', `nvram:${folder}`], { stdio: ['ignore', 'pipe', 'inherit'] }))
    await Promise.all(openers.map((one) => once(one.stdout!, 'data')))
    const endMs = performance.now() + 3000
    while (performance.now() < endMs) {
      await commit()
      expect(await stored(backend, refs.at(-1)!), `commit ${refs.length}`).to.not.equal(undefined)
    }
    await expectAll()
  }).timeout(60_000)
})
