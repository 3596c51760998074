/**
 * Threads are stopped between native calls, never inside one: in a transaction it would keep the file's lock for good, anywhere else the
 * call could not say what went wrong, and would end the process.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { openEnvironment } from '../../backends/nvram/environment.js'
import { mayStop, newGate, waitToStop } from '../../src/thread-gate.js'
import type { Calls } from './gate-thread.js'

describe('stopping a thread', function () {
  this.timeout(60_000)
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-gate-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  for (const calls of ['open', 'write', 'read', 'range', 'count', 'flush'] satisfies Calls[])
    it(`waits for what it has lmdb do (${calls}): it ends, its process does not, and others go on writing`, async () => {
      const { file, transactions, rows } = await openEnvironment(folder)
      transactions.write(() => {
        for (let i = 0; i < 100; i++) rows.put(Buffer.from(`key${i}`), Buffer.from('value'))
      })
      for (let nth = 0; nth < 8; nth++) {
        const gate = newGate()
        const thread = new Worker(new URL('./gate-thread.js', import.meta.url), { workerData: { folder, gate, calls } })
        if (nth > 0) await once(thread, 'message')
        await delay(nth * 2)
        if (nth % 2) waitToStop(gate, 20_000)
        else while (!mayStop(gate)) await delay(1)
        expect(await Promise.race([thread.terminate(), delay(20_000, 'hangs', { ref: false })]), `thread ${nth}`).to.not.equal('hangs')
        let written = false
        transactions.write(() => {
          written = true
        })
        expect(written).to.equal(true)
      }
      await file.close()
    })

  it('does not wait longer than it is told to', () => {
    const gate = newGate()
    const began = performance.now()
    waitToStop(gate, 50) // of a gate that nobody opens
    expect(performance.now() - began).to.be.at.least(40)
    expect(mayStop(gate)).to.equal(false)
  })
})
