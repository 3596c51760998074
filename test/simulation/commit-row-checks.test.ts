import { assert } from 'chai'
import type { Op } from '../../src/backend.js'
import { commitUnit, readResolved, type Unit } from '../../src/commit/index.js'
import { ConflictError } from '../../src/errors.js'
import { newCommitId, newTableId, type TableId } from '../../src/ids.js'
import { Direct, diesAfter, numbers, oneDomain, optionsFor, put, stored, thing } from './direct.js'

describe('commitUnit, of rows that were only read', () => {
  it('checks rows that were only read in the group itself where all lies in one domain', async () => {
    const backend = oneDomain()
    const ref = thing()
    const { options } = optionsFor(backend)
    const table = await tableWith(backend, 'x')
    const unit = (expect: bigint | null): Unit => backend.unit([put(ref, 1), { do: 'checkRow', table, key: ['x'], expect }])
    assert.instanceOf(await commitUnit(unit(null), options).catch((e: unknown) => e), ConflictError)
    assert.deepEqual(numbers(backend, [ref]), [undefined])
    backend.sent.length = 0
    await commitUnit(unit(1n), options)
    assert.deepEqual(kindsOf(backend), [['put', 'checkRow']])
  })

  for (const expect of [1n, null])
    it(`holds a row of another domain that was ${expect ? 'read' : 'not there'} until it is decided, and lets go of it`, async () => {
      const backend = new Direct(undefined, true)
      const { refs, stamps } = await stored(backend, 1)
      const { options, settled } = optionsFor(backend)
      const table = await tableWith(backend, 'x')
      const key = [expect ? 'x' : 'none']
      const write: Op = { do: 'row', table, key, set: ['late'], isCas: true }
      let met: unknown
      const apply = backend.store.apply.bind(backend.store)
      backend.store.apply = (group) => {
        if (group.ops.some((op) => op.do === 'mark')) met = thrownBy(() => apply({ commit: newCommitId(), atMicros: 5n, ops: [write] }))
        return apply(group)
      }
      backend.sent.length = 0
      await commitUnit(backend.unit([put(refs[0]!, 2, stamps[0]!), { do: 'checkRow', table, key, expect }]), options)
      await settled()
      assert.instanceOf(met, ConflictError)
      assert.deepEqual(
        [backend.store.intents.size, backend.store.marks.size, backend.store.row(table, key)?.atMicros ?? null],
        [0, 1, expect],
      )
      assert.deepEqual(kindsOf(backend), [['reserveRow'], ['mark', 'mark', 'put'], ['settleRow'], ['forget']])
      const stale = { revision: 2, commit: newCommitId() }
      await commitUnit(backend.unit([put(refs[0]!, 3, stale), { do: 'checkRow', table, key, expect }]), options).catch(() => {})
      assert.equal(backend.store.intents.size, 0)
    })

  it('ends the intent of a dead client on a row that it only read, whatever became of it', async () => {
    for (const last of ['reserveRow', 'mark'] as const) {
      const backend = new Direct(undefined, true)
      const { refs, stamps } = await stored(backend, 1)
      const { options, clock } = optionsFor(backend)
      const table = await tableWith(backend, 'x')
      const check: Op = { do: 'checkRow', table, key: ['x'], expect: 1n }
      await diesAfter(backend, last, () => commitUnit(backend.unit([put(refs[0]!, 2, stamps[0]!), check]), options))
      assert.equal(backend.store.intents.size, 1)
      if (last === 'reserveRow') clock.now += 1000
      await commitUnit(backend.unit([{ do: 'row', table, key: ['x'], set: ['new'], expect: 1n, isCas: true }], { atMicros: 2n }), options)
      assert.equal(backend.store.intents.size, 0)
      assert.deepEqual(
        (await readResolved(backend, refs, options)).map((found) => found!.cells.get('n')),
        [last === 'mark' ? 2 : 1],
      )
    }
  })

  it('looks at rows that were only read under the intent on their owner, where they take none', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const { options, settled } = optionsFor(backend)
    const table = await tableWith(backend, 'x')
    const unit = (expect: bigint | null): Unit =>
      backend.unit([
        put(refs[0]!, 2, stamps[0]!),
        { do: 'check', ref: refs[1]!, expect: 'present' },
        { do: 'checkRow', table, key: ['x'], expect },
      ])
    const error: unknown = await commitUnit(unit(2n), options).catch((e: unknown) => e)
    assert.instanceOf(error, ConflictError)
    assert.deepInclude(error as object, { table, expected: 2n, found: 1n })
    assert.deepEqual([backend.store.intents.size, ...numbers(backend, refs)], [0, 1, 1])
    await commitUnit(unit(1n), options)
    await settled()
    assert.deepEqual([backend.store.intents.size, ...numbers(backend, refs)], [0, 2, 1])
  })
})

/** A table with one row. */
async function tableWith(backend: Direct, key: string): Promise<TableId> {
  const table = newTableId()
  await backend.commit({ commit: newCommitId(), atMicros: 1n, ops: [{ do: 'row', table, key: [key], set: ['old'], isCas: true }] })
  return table
}

const kindsOf = ({ sent }: Direct): Op['do'][][] => sent.map(({ ops }) => ops.map((op) => op.do))

function thrownBy(work: () => unknown): unknown {
  try {
    return void work()
  } catch (error) {
    return error
  }
}
