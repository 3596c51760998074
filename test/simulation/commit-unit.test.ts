import { setTimeout as delay } from 'node:timers/promises'
import { assert } from 'chai'
import { type Group, type Op, type Receipt, Ref } from '../../src/backend.js'
import { commitUnit, findResolved, planGroups, readResolved, resolveIntent, type Unit } from '../../src/commit/index.js'
import { AliasTakenError, ConflictError, UnknownOutcomeError } from '../../src/errors.js'
import { FAIL_POINTS, parse } from '../../src/fail-point.js'
import { type Id, newCommitId, newTableId, type TableId } from '../../src/ids.js'
import { Direct, diesAfter, numbers, oneDomain, optionsFor, put, stored, thing } from './direct.js'

const sharing = (): Direct => new Direct(undefined, true, true)
const relied = (ref: Ref): Op => ({ do: 'check', ref, expect: 'present' })
const adding = (table: TableId, key: string): Op => ({ do: 'add', table, key: [key], column: 0, by: 2n })

describe('commitUnit', () => {
  it('is one call of the backend for one domain, the mark first', async () => {
    const backend = oneDomain()
    const { refs, stamps } = await stored(backend)
    const commit = newCommitId()
    const mark = { key: 'task', attempt: commit, state: 'committed', outcome: null } as const
    const ops = refs.map((ref, i) => put(ref, 2, stamps[i]!))
    const receipt = await commitUnit(backend.unit(ops, { commit, mark, home: { backend, ref: refs[0]! } }), optionsFor(backend).options)
    assert.equal(backend.sent.length, 1)
    assert.deepEqual(
      backend.sent[0]!.ops.map((op) => op.do),
      ['mark', 'put', 'put'],
    )
    assert.deepEqual(receipt.stamps.get(refs[1]!.id), { revision: 2, commit })
  })

  it('leaves out the protocol when all that stands lies in one domain: new objects first, then one group', async () => {
    const backend = new Direct()
    const ref = thing()
    await commitUnit(backend.unit([{ do: 'name', alias: 'a', expect: null, to: ref }, put(ref, 1)]), optionsFor(backend).options)
    assert.deepEqual(
      backend.sent.map(({ ops }) => ops.map((op) => op.do)),
      [['put'], ['name']],
    )
  })

  it('of two writers that stand in the way of each other one goes first, and soon', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const clock = { nowMs: Date.now, random: Math.random, sleep: (ms: number) => delay(ms) }
    const write = (ops: readonly Op[]): Promise<unknown> => commitUnit(backend.unit(ops), { backendOf: () => backend, clock })
    const ops = refs.map((ref, i) => put(ref, 2, stamps[i]!))
    const ends = await Promise.allSettled([write(ops), write(ops.toReversed())])
    assert.sameMembers(
      ends.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    assert.isBelow(backend.sent.length, 200)
  })

  it('says the stamps that the objects get, before they are settled', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend, 3)
    const { options, settled } = optionsFor(backend)
    const receipt = await commitUnit(backend.unit([...refs.map((ref, i) => put(ref, 2, stamps[i]!))]), options)
    await settled()
    for (const found of await backend.read(refs)) assert.deepEqual(found!.stamp, receipt.stamps.get(found!.ref.id))
    assert.deepEqual(numbers(backend, refs), [2, 2, 2])
    assert.equal(backend.store.intents.size, 0)
  })

  it('shows the whole group from the decision on, though its client died there', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend, 3)
    const { options } = optionsFor(backend)
    const alias: Op = { do: 'name', alias: 'a', expect: null, to: refs[0]! }
    await diesAfter(backend, 'mark', () => commitUnit(backend.unit([...refs.map((ref, i) => put(ref, 2, stamps[i]!)), alias]), options))
    assert.isAbove(backend.store.intents.size, 0)
    assert.deepEqual(
      (await readResolved(backend, refs, options)).map((found) => found!.cells.get('n')),
      [2, 2, 2],
    )
    assert.deepEqual(await findResolved(backend, [{ alias: 'a' }, refs[1]!.id as Id], options), [refs[0], refs[1]])
    assert.equal(backend.store.intents.size, 0)
  })

  it('looks for the decision in the store where the intent was met, whichever store leads the unit that met it', async () => {
    const [leading, other] = [new Direct(), new Direct()]
    const { refs, stamps } = await stored(other, 3)
    const led = await stored(leading)
    const { options: alone, clock } = optionsFor(other)
    await diesAfter(other, 'mark', () => commitUnit(other.unit(refs.map((ref, i) => put(ref, 2, stamps[i]!))), alone))
    clock.now += 1000
    const options = {
      ...optionsFor(leading, clock.now).options,
      backendOf: (of: unknown) => (of instanceof Ref && of.store ? other : leading),
    }
    const unit: Unit = {
      ...leading.unit([put(led.refs[0]!, 2, led.stamps[0]!)]),
      parts: [
        { backend: leading, ops: [put(led.refs[0]!, 2, led.stamps[0]!)] },
        { backend: other, ops: [put(refs[0]!, 3, stamps[0]!)] },
      ],
    }
    const error = await commitUnit(unit, options).catch((thrown: unknown) => thrown)
    assert.instanceOf(error, ConflictError)
    assert.deepEqual(
      (await readResolved(other, refs, options)).map((found) => found!.cells.get('n')),
      [2, 2, 2],
    )
    assert.deepEqual(numbers(leading, led.refs), [1, 1])
  })

  it('shows nothing of a group whose client died before the decision, and frees its objects when the lease is over', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const { options, clock } = optionsFor(backend)
    const ops = refs.map((ref, i) => put(ref, 2, stamps[i]!))
    await diesAfter(backend, 'reserve', () => commitUnit(backend.unit(ops), options))
    const [met] = await backend.read([refs[1]!])
    assert.equal(await resolveIntent({ backend, target: { ref: refs[1]! }, intent: met!.intent! }, options), 'undecided')
    assert.deepEqual(
      (await readResolved(backend, refs, options)).map((found) => found!.cells.get('n')),
      [1, 1],
    )
    clock.now += 1000
    await commitUnit(backend.unit(ops), options)
    assert.deepEqual(
      (await readResolved(backend, refs, options)).map((found) => found!.cells.get('n')),
      [2, 2],
    )
  })

  it('finishes the rows of a dead client when their owner is next read', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const { options } = optionsFor(backend)
    const table = newTableId()
    const add = (key: string): Op => ({ do: 'add', table, key: [key], column: 0, by: 2n })
    const ops: Op[] = [put(refs[0]!, 2, stamps[0]!), { do: 'check', ref: refs[1]!, expect: 'present' }, add('p'), add('q')]
    await diesAfter(backend, 'mark', () => commitUnit(backend.unit(ops), options))
    assert.equal(backend.store.counters.size, 0)
    for (let times = 0; times < 2; times++) await readResolved(backend, refs, options)
    assert.deepEqual([...backend.store.counters.values()], [2n, 2n])
    assert.equal(backend.store.staged.size, 0)
  })

  it('lets units that rely on one object decide beside each other, and leads whoever opens it to the rows of all that died', async () => {
    const backend = sharing()
    const { refs } = await stored(backend, 1)
    const { options, settled } = optionsFor(backend)
    const table = newTableId()
    const unit = (): Unit => backend.unit([relied(refs[0]!), ...['p', 'q'].map((key) => adding(table, key))])
    for (let times = 0; times < 2; times++) await diesAfter(backend, 'mark', () => commitUnit(unit(), options))
    backend.sent.length = 0
    await commitUnit(unit(), options)
    await settled()
    assert.deepEqual(
      backend.sent.map(({ ops }) => ops.map((op) => op.do).join(' ')),
      ['mark mark reserve stage', 'add', 'add', 'stage settle forget'],
    )
    assert.deepEqual([...backend.store.counters.values()], [2n, 2n])
    await readResolved(backend, refs, options)
    assert.deepEqual([...backend.store.counters.values()], [6n, 6n])
    assert.deepEqual([backend.store.shared.size, backend.store.staged.size], [0, 0])
  })

  it('ends undecided units that rely on what is removed, waiting for no lease, and tells them', async () => {
    const backend = sharing()
    const { refs, stamps } = await stored(backend, 2)
    const { options, clock } = optionsFor(backend)
    const adds = ['p', 'q'].map((key) => adding(newTableId(), key))
    const unit = backend.unit([put(refs[1]!, 2, stamps[1]!), relied(refs[0]!), ...adds], { home: { backend, ref: refs[1]! } })
    const { store } = backend
    let removal: Promise<unknown> | undefined
    backend.commit = async (group) => {
      if (!removal && group.ops.some((op) => op.do === 'mark')) {
        assert.deepEqual([store.shared.size, store.intents.size], [1, 1], 'reserved, and not decided')
        removal = commitUnit(backend.unit([{ do: 'remove', ref: refs[0]!, expect: 'present' }]), options)
        await removal
      }
      return Direct.prototype.commit.call(backend, group)
    }
    const error = await commitUnit(unit, options).catch((thrown: unknown) => thrown)
    assert.instanceOf(error, ConflictError)
    assert.deepEqual(numbers(backend, refs), [undefined, 1])
    assert.isBelow(clock.now, 100, 'the time of a lease')
    assert.deepEqual([store.shared.size, store.intents.size, store.counters.size], [0, 0, 0])
  })

  it('gives the same receipt to a removal that is sent again, having gone past those that rely on its object', async () => {
    const backend = sharing()
    const { refs } = await stored(backend, 1)
    const { options, settled } = optionsFor(backend)
    await diesAfter(backend, 'mark', () =>
      commitUnit(backend.unit([relied(refs[0]!), ...['p', 'q'].map((key) => adding(newTableId(), key))]), options),
    )
    const unit = backend.unit([{ do: 'remove', ref: refs[0]!, expect: 'present' }])
    const first = await commitUnit(unit, options)
    await settled()
    assert.deepEqual([...backend.store.counters.values()], [2n, 2n])
    assert.deepEqual(await commitUnit(unit, options), first)
  })

  it('gives the same receipt to a unit that is sent again', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend)
    const { options, settled } = optionsFor(backend)
    const unit = backend.unit(refs.map((ref, i) => put(ref, 2, stamps[i]!)))
    const first = await commitUnit(unit, options)
    await settled()
    assert.deepEqual(await commitUnit(unit, options), first)
    assert.deepEqual(numbers(backend, refs), [2, 2])
  })

  it('refuses the second attempt of a task, whichever domains it touches', async () => {
    const backend = new Direct()
    const { refs } = await stored(backend)
    const { options, settled } = optionsFor(backend)
    const attempt = async () => {
      const found = await readResolved(backend, refs, options)
      const commit = newCommitId()
      const mark = { key: 'task', attempt: commit, state: 'committed', outcome: null } as const
      const ops = found.map((one) => put(one!.ref, 2, one!.stamp))
      return commitUnit(backend.unit(ops, { commit, mark, home: { backend, ref: refs[0]! } }), options)
    }
    const first = await attempt()
    await settled()
    const second = await attempt()
    assert.deepEqual([first.applied, second.applied], [true, false])
    assert.equal(second.mark!.attempt, first.mark!.attempt)
    assert.equal(backend.store.intents.size, 0)
  })

  it('fails with the conflict when an object has changed, and lets go of the others', async () => {
    const backend = new Direct()
    const { refs, stamps } = await stored(backend, 3)
    const stale = { revision: 9, commit: newCommitId() }
    const ops = refs.map((ref, i) => put(ref, 2, i === 1 ? stale : stamps[i]!))
    const error = await commitUnit(backend.unit(ops), optionsFor(backend).options).catch((e: unknown) => e)
    assert.instanceOf(error, ConflictError)
    assert.equal(backend.store.intents.size, 0)
    assert.deepEqual(numbers(backend, refs), [1, 1, 1])
  })

  it('never calls a unit failed while a copy of it may be under way', async () => {
    const backend = oneDomain()
    const [holder, ref] = [thing(), thing()]
    await backend.commit({
      commit: newCommitId(),
      atMicros: 0n,
      ops: [put(holder, 1), { do: 'name', alias: 'a', expect: null, to: holder }],
    })
    const unit = backend.unit([put(ref, 1), { do: 'name', alias: 'a', expect: null, to: ref }])
    backend.instead = () => {
      throw new UnknownOutcomeError('cut')
    }
    const error = await commitUnit(unit, optionsFor(backend).options).catch((e: unknown) => e)
    assert.instanceOf(error, UnknownOutcomeError)
  })

  for (const [way, wasExecuted] of [
    ['failed where the store has seen to it that no copy comes', false],
    ['done where the store knows that a copy was', true],
  ] as const)
    it(`calls a unit ${way}`, async () => {
      const backend = oneDomain()
      Object.assign(backend, { bar: async (group: Group) => backend.store.bar(group) })
      const [holder, ref] = [thing(), thing()]
      const claim = (to: Ref): Op => ({ do: 'name', alias: 'a', expect: null, to })
      const unit = backend.unit([put(ref, 1), claim(ref)])
      const take = (): Receipt => backend.store.apply({ commit: newCommitId(), atMicros: 0n, ops: [put(holder, 1), claim(holder)] })
      backend.instead = (group) => {
        if (!wasExecuted) take()
        else backend.store.apply(group)
        backend.instead = () => {
          throw new AliasTakenError('taken', { alias: 'a' })
        }
        throw new UnknownOutcomeError('cut')
      }
      const ending = await commitUnit(unit, optionsFor(backend).options).catch((e: unknown) => e)
      if (wasExecuted) return assert.isTrue((ending as Receipt).applied)
      assert.instanceOf(ending, AliasTakenError)
      assert.throws(() => backend.store.apply({ ...unit, ops: unit.parts[0]!.ops }), ConflictError, 'barred')
    })

  it('stores a new object, also when the first answer was lost', async () => {
    const backend = new Direct()
    const ref = thing()
    backend.instead = () => {
      throw new UnknownOutcomeError('cut')
    }
    const { applied } = await commitUnit(backend.unit([put(ref, 1)]), optionsFor(backend).options)
    assert.isTrue(applied)
    assert.deepEqual(numbers(backend, [ref]), [1])
  })

  it('lets a row that expects a state win over it, also with a clock behind', async () => {
    const backend = oneDomain()
    const op: Op = { do: 'row', table: newTableId(), key: ['k'], set: ['new'], expect: 50n }
    await backend.commit({ commit: newCommitId(), atMicros: 50n, ops: [{ ...op, set: ['old'], expect: null }] })
    await commitUnit(backend.unit([op], { atMicros: 7n }), optionsFor(backend).options)
    assert.deepEqual(backend.store.row(op.table, op.key), { key: ['k'], values: ['new'], atMicros: 51n })
  })
})

describe('planGroups', () => {
  it('sorts ops by backend and domain, keeping their order', () => {
    const [a, b] = [new Direct(), new Direct()]
    const [x, y] = [thing(), thing()]
    const check = (ref: Ref): Op => ({ do: 'check', ref, expect: 'present' })
    const groups = planGroups([
      { backend: a, ops: [check(x), put(y, 1), put(x, 2)] },
      { backend: b, ops: [check(x)] },
    ])
    assert.deepEqual(
      groups.map(({ backend, ops }) => [backend === a, ops.map((op) => op.do)]),
      [
        [true, ['check', 'put']],
        [true, ['put']],
        [false, ['check']],
      ],
    )
  })
})

describe('fail points', () => {
  it('are armed by name and count', () => {
    assert.deepEqual(
      [...parse('commit-decided:3, alone-done')],
      [
        ['commit-decided', 3],
        ['alone-done', 1],
      ],
    )
    assert.equal(parse(undefined).size, 0)
    assert.include(FAIL_POINTS, 'commit-reserved')
  })

  it('refuse what can never fire', () => {
    assert.throws(() => parse('commit-decidet:1'), TypeError)
    assert.throws(() => parse('commit-decided:0'), TypeError)
  })
})
