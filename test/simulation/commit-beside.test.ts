import { setTimeout as delay } from 'node:timers/promises'
import { assert } from 'chai'
import type { Op, Ref } from '../../src/backend.js'
import { commitUnit, readResolved } from '../../src/commit/index.js'
import { ConflictError } from '../../src/errors.js'
import { newCommitId, newTableId, type TableId } from '../../src/ids.js'
import { Direct, diesAfter, numbers, optionsFor, put, stored, thing } from './direct.js'

const relied = (ref: Ref): Op => ({ do: 'check', ref, expect: 'present' })
const adding = (table: TableId, key: string): Op => ({ do: 'add', table, key: [key], column: 0, by: 2n })

describe('commitUnit, beside readers and after failures', () => {
  it('shows no object of a group old beside another new, though it is decided and half settled in the midst of the reading', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend, 3)
    const { options } = optionsFor(backend)
    let decide = (): void => {}
    const mayDecide = new Promise<void>((resolve) => (decide = resolve))
    let isStuck = false
    backend.commit = async (group) => {
      if (group.ops.some((op) => op.do === 'mark')) await mayDecide
      const settlesSecond = group.ops.some((op) => op.do === 'settle' && 'ref' in op.target && op.target.ref.id === refs[1]!.id)
      if (settlesSecond && !isStuck) {
        isStuck = true // its writer is not heard of again
        return new Promise(() => {})
      }
      return backend.store.apply(group)
    }
    const committing = commitUnit(backend.unit(refs.map((ref, i) => put(ref, 2, stamps[i]!))), options)
    await delay(1)
    let readings = 0
    backend.read = async (asked) => {
      if (++readings === 2) {
        decide()
        await committing
        await delay(1)
      }
      return Direct.prototype.read.call(backend, asked)
    }
    const found = await readResolved(backend, refs.slice(1), options)
    assert.deepEqual(
      found.map((one) => one!.cells.get('n')),
      [2, 2],
    )
  })

  it('goes on once its rows can be read, however long they take', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const table = newTableId()
    backend.commit = async (group) => {
      if (group.ops.some((op) => op.do === 'add')) await delay(20)
      return backend.store.apply(group)
    }
    const ops = [put(refs[0]!, 2, stamps[0]!), relied(refs[1]!), ...['p', 'q'].map((key) => adding(table, key))]
    await commitUnit(backend.unit(ops), optionsFor(backend).options)
    assert.deepEqual([...backend.store.counters.values()], [2n, 2n])
  })

  it('finishes the rows of a dead client as of when it decided: what others have written since stays', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const { options } = optionsFor(backend)
    const table = newTableId()
    const row = (key: string, text: string): Op => ({ do: 'row', table, key: [key], set: [text] })
    const ops = [put(refs[0]!, 2, stamps[0]!), relied(refs[1]!), row('p', 'dead'), row('q', 'dead')]
    await diesAfter(backend, 'mark', () => commitUnit(backend.unit(ops, { atMicros: 5n }), options))
    await backend.commit({ commit: newCommitId(), atMicros: 6n, ops: [row('p', 'later')] })
    await readResolved(backend, refs, options)
    assert.deepEqual(
      ['p', 'q'].map((key) => backend.store.row(table, [key])),
      [
        { key: ['p'], values: ['later'], atMicros: 6n },
        { key: ['q'], values: ['dead'], atMicros: 5n },
      ],
    )
  })

  it('leaves nothing of the new objects of a unit that has failed', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const fresh = thing()
    const stale = { revision: 9, commit: newCommitId() }
    const unit = backend.unit([put(fresh, 1), put(refs[0]!, 2, stamps[0]!), put(refs[1]!, 2, stale)])
    const error = await commitUnit(unit, optionsFor(backend).options).catch((thrown: unknown) => thrown)
    assert.instanceOf(error, ConflictError)
    assert.deepEqual(numbers(backend, [fresh, ...refs]), [undefined, 1, 1])
  })
})
