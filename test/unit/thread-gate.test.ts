/** Threads that write to a file are stopped between their transactions, never inside one: that would keep the file's lock for good. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { openEnvironment } from '../../backends/nvram/environment.js'
import { mayStop, newGate, waitToStop } from '../../src/thread-gate.js'

describe('stopping a thread', function () {
  this.timeout(30_000)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-gate-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('waits for its transaction: it ends, and others go on writing', async () => {
    const { root, transactions } = await openEnvironment(folder)
    for (let nth = 0; nth < 10; nth++) {
      const gate = newGate()
      const thread = new Worker(new URL('./gate-thread.js', import.meta.url), { workerData: { folder, gate } })
      await delay(nth * 20)
      if (nth % 2) waitToStop(gate, 5000)
      else while (!mayStop(gate)) await delay(1)
      expect(await Promise.race([thread.terminate(), delay(5000, 'hangs', { ref: false })]), `thread ${nth}`).to.not.equal('hangs')
      let written = false
      transactions.write(() => {
        written = true
      })
      expect(written).to.equal(true)
    }
    await root.close()
  })

  it('does not wait longer than it is told to', () => {
    const gate = newGate()
    const began = performance.now()
    waitToStop(gate, 50)
    expect(performance.now() - began).to.be.within(40, 1000)
    expect(mayStop(gate)).to.equal(false)
  })
})
