import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { MemorySpace, RECEIPTS_KEPT_MS } from '../../backends/memory/memory-space.js'
import type { Backend, Op } from '../../src/backend.js'
import { InsituError, UnsupportedError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { backendSpec, failure, newThing, putOp, send, stored, upkeepSpec } from './backend-spec.js'

async function opened(url: string): Promise<Backend> {
  const backend = createBackend(url)
  await backend.open()
  return backend
}

backendSpec('memory', () => opened('memory:spec'))
backendSpec('memory with three domains', () => opened('memory:spec3?domains=3'))
upkeepSpec('memory', () => opened('memory:upkeep'))
upkeepSpec('memory with three domains', () => opened('memory:upkeep3?domains=3'))

describe('memory: keeping', () => {
  it('forgets receipts when their time is over, and not before', () => {
    const { now } = Date
    let nowMs = 0
    Date.now = () => nowMs
    try {
      const space = new MemorySpace()
      const commits = Array.from({ length: 3 }, newCommitId)
      const kept = (): boolean[] => commits.map((commit) => space.receipt(commit) !== undefined)
      for (const commit of commits) space.keepReceipt(commit, [1])
      nowMs = RECEIPTS_KEPT_MS - 1
      space.keepReceipt(newCommitId(), [])
      expect(kept()).to.deep.equal([true, true, true])
      nowMs = RECEIPTS_KEPT_MS + 1
      for (let i = 0; i < 2; i++) space.keepReceipt(newCommitId(), [])
      expect(kept()).to.deep.equal([false, false, false])
    } finally {
      Date.now = now
    }
  })
})

describe('memory: urls', () => {
  it('shares by name, and not when private', async () => {
    const [a, same, other, mine, mineToo] = await Promise.all(
      ['memory:a', 'memory:a', 'memory:b', 'memory:a?private', 'memory:a?private'].map(opened),
    )
    const ref = newThing()
    await send(a!, putOp(ref, { v: 1 }))
    expect(await stored(same!, ref)).to.not.equal(undefined)
    for (const backend of [other!, mine!, mineToo!]) expect(await stored(backend, ref)).to.equal(undefined)
    await send(mine!, putOp(ref, { v: 1 }))
    expect(await stored(mineToo!, ref)).to.equal(undefined)
  })

  it('refuses what it does not know', () => {
    for (const url of ['memory:?domains=0', 'memory:?domains=x', 'memory:?colour=red', 'nvram:x'])
      expect(() => createBackend(url), url).to.throw(UnsupportedError as unknown as ErrorConstructor)
    createBackend('memory:two?domains=2')
    expect(() => createBackend('memory:two')).to.throw(UnsupportedError as unknown as ErrorConstructor)
  })

  it('spreads over its domains and refuses a group that lies in two', async () => {
    const backend = await opened('memory:?domains=3&private')
    const ops = Array.from({ length: 60 }, (): Op => putOp(newThing(), { v: 1 }))
    const first = ops[0]!
    expect(new Set(ops.map((op) => backend.domain(op))).size).to.equal(3)
    const elsewhere = ops.find((op) => backend.domain(op) !== backend.domain(first))!
    const error = await failure(InsituError, () => send(backend, first, elsewhere))
    expect(error.code).to.equal('ERR_INTERNAL')
  })
})
