import assert from 'node:assert/strict'
import { barrier, waitOn } from '../../runtime/index.js'
import { UnsavedChangesError, WrongDirectionError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused, thrown } from './expect.js'
import * as tasks from './held-tasks.js'
import { Counter } from './model.js'

const counter = (n: number): Promise<Counter> => Object.assign(new Counter(), { n }).makePersistent()
const stored = (ctx: CaseContext, o: Counter): Promise<number> => ctx.other(async () => (await Counter.getByID(o.getID()!)).n)
const mapOf = (it: Counter): Map<string, Counter> => new Map([['it', it]])
/** Longer than what stands behind takes to begin, where nothing holds it back. */
const SLOW_MS = 40

/** Objects that stand in maps, sets and plain objects which are arguments. */
export const heldObjects: readonly Case[] = [
  law('I470', 'an object in a map, a set or a plain object is loaded for the task that takes it, and comes loaded from one', async () => {
    const o = await counter(3)
    const held = { map: mapOf(o), keys: new Map([[o, 'it']]), set: new Set([o]), record: { deep: [{ one: o }] } }
    assert.deepEqual(await tasks.readHeld(held), [3, 3, 3, 3])
    const { made } = await tasks.holdNew(7)
    assert.equal(made.get('it')!.n, 7)
  }),

  law('I471', 'a call that takes an object in a map, a set or a plain object waits for the writers of the object before it', async () => {
    const o = await counter(1)
    const ways = [
      () => tasks.readInMap(mapOf(o)),
      () => tasks.readInSet(new Set([o])),
      async () => [await tasks.readInRecord({ one: o })],
      () => tasks.readInList([mapOf(o)]),
    ]
    for (const [i, way] of ways.entries()) {
      tasks.addSlowly(o, 1, SLOW_MS)
      assert.deepEqual(await way(), [i + 2])
    }
    await barrier()
  }),

  law('I472', 'writers of an object wait for calls that take it in a map, and for those that write it there', async (ctx) => {
    const o = await counter(1)
    const before = tasks.readSlowly(mapOf(o), SLOW_MS)
    tasks.addSlowly(o, 1, 0)
    const map = mapOf(o)
    tasks.addInMap(map, 10, SLOW_MS)
    const after = tasks.readIt(o)
    const again = tasks.readSlowly(map, SLOW_MS) // takes what the call before makes of the map
    tasks.addSlowly(o, 100, 0)
    assert.deepEqual(await before, [1, 1])
    assert.equal(await after, 12)
    assert.deepEqual(await again, [12, 12])
    assert.deepEqual([...(await waitOn(map)).keys()], ['it', 'also'])
    await barrier()
    assert.equal(o.n, 112)
    assert.equal(await stored(ctx, o), 112)
  }),

  law(
    'I473',
    'unsaved changes of an object in a map are refused at the call, and a change of it by a task that only reads',
    async (ctx) => {
      const o = await counter(1)
      await refused(WrongDirectionError, () => tasks.changeInMap(mapOf(o)))
      await barrier()
      assert.equal(await stored(ctx, o), 1)
      o.n = 2
      for (const call of [
        () => tasks.readInMap(mapOf(o)),
        () => tasks.readInRecord({ one: o }),
        () => tasks.readInSet(new Set([o])),
        () => tasks.readInList([mapOf(o)]),
      ])
        assert.ok((await thrown(async () => call())) instanceof UnsavedChangesError)
      await o.save()
      assert.deepEqual(await tasks.readInMap(mapOf(o)), [2])
    },
  ),

  law('I474', 'a task that gives what it has changed to another in a map, a set or a plain object, has it read so', async (ctx) => {
    const o = await counter(1)
    assert.deepEqual(await tasks.changeAndHandOn(o), [[6], 6, [6]])
    await barrier()
    assert.equal(await stored(ctx, o), 6)
  }),
]
