import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { barrier, executeTask, waitOn } from '../../runtime/index.js'
import { type Case, law } from './case.js'
import { Counter } from './model.js'
import * as tasks from './written-parts-tasks.js'

const wholeOf = (part: tasks.Part): tasks.Whole => ({
  map: new Map([['it', part]]),
  keys: new Map([[part, 'it']]),
  set: new Set([part]),
  record: { deep: { one: part } },
  list: [part],
  holder: Object.assign(new tasks.Holder(), { part }),
})
/** Longer than what stands behind takes to begin, where nothing holds it back. */
const SLOW_MS = 60

/** What tasks make of values, taken where these stand in others. */
export const writtenParts: readonly Case[] = [
  law('I555', 'what a task makes of a value is taken wherever that stands: in maps, sets, records, lists and objects', async () => {
    const part = { n: 1 }
    const before = tasks.readWhole(wholeOf(part))
    tasks.setN(part, 5)
    const after = tasks.readWhole(wholeOf(part))
    const ring: unknown[] = [undefined, part]
    ring[0] = ring
    const ringed = tasks.readInRing(ring)
    assert.deepEqual(await before, [Array.from({ length: 6 }, () => 1), 1])
    assert.deepEqual(await after, [Array.from({ length: 6 }, () => 5), 1])
    assert.deepEqual(await ringed, [true, 5])
    assert.equal(part.n, 1)
  }),

  law('I556', 'a value that a call writes holds what others have written in it, also where the call waits for another', async () => {
    const part = { n: 1 }
    tasks.setN(part, 5)
    const [map, list] = [new Map([['it', part]]), [part]]
    // a method of an object that is still to come: what takes its result waits with it
    const later = executeTask(tasks.giveNew(), 'increment', 1)
    tasks.doubleInMap(map, later)
    tasks.doubleAll(list, later)
    part.n = 99
    assert.equal((await waitOn(map)).get('it')!.n, 10)
    assert.deepEqual(await waitOn(list), [{ n: 10 }])
    assert.equal((await waitOn(part)).n, 5)
  }),

  law('I557', 'what a call makes of a future is taken where that stands in a map', async () => {
    const made = tasks.partOf(3)
    const before = tasks.readInMap(new Map([['it', made]]) as never)
    tasks.setN(made, 8)
    const after = tasks.readInMap(new Map([['it', made]]) as never)
    assert.deepEqual([await before, await after], [3, 8])
  }),

  law('I558', 'the object that a future in a map gives has its place among calls, where the call writes it', async () => {
    const o = await Object.assign(new Counter(), { n: 1 }).makePersistent()
    const given = tasks.give(o)
    tasks.addInMap(new Map([['it', given]]) as never, 10, SLOW_MS)
    await given
    await delay(5) // it is known to the run what the future gave
    // more than one worker can take while the first writes
    assert.deepEqual(
      await Promise.all(Array.from({ length: 8 }, () => tasks.readN(o))),
      Array.from({ length: 8 }, () => 11),
    )
    await barrier()
  }),
]
