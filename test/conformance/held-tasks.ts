/** Tasks that take objects in maps, sets and plain objects, for the cases of `held-objects.ts`. A module of its own, so that workers can import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { INOUT, task } from '../../runtime/index.js'
import { Counter } from './model.js'

/** Every way to hold an object. */
export interface Held {
  readonly map: Map<string, Counter>
  readonly keys: Map<Counter, string>
  readonly set: Set<Counter>
  readonly record: { readonly deep: readonly { readonly one: Counter }[] }
}

const readAll = (held: Held): number[] => [
  ...Array.from(held.map.values(), ({ n }) => n),
  ...Array.from(held.keys.keys(), ({ n }) => n),
  ...Array.from(held.set, ({ n }) => n),
  ...held.record.deep.map(({ one }) => one.n),
]

export const readHeld = task((held: Held) => readAll(held))
export const readInMap = task((map: Map<string, Counter>) => Array.from(map.values(), ({ n }) => n))
export const readInSet = task((set: Set<Counter>) => Array.from(set, ({ n }) => n))
export const readInRecord = task((record: { readonly one: Counter }) => record.one.n)
export const readInList = task((list: readonly Map<string, Counter>[]) => list.flatMap((map) => Array.from(map.values(), ({ n }) => n)))
export const readSlowly = task(async (map: Map<string, Counter>, ms: number) => {
  const before = map.get('it')!.n
  await delay(ms)
  return [before, (await Counter.getByID(map.get('it')!.getID()!)).n]
})
export const addSlowly = task(
  async (o: Counter, by: number, ms: number) => {
    const { n } = o
    await delay(ms)
    o.n = n + by
  },
  { args: [INOUT] },
)
export const addInMap = task(
  async (map: Map<string, Counter>, by: number, ms: number) => {
    const it = map.get('it')!
    const { n } = it
    await delay(ms)
    it.n = n + by
    map.set('also', it)
  },
  { args: [INOUT] },
)
export const changeInMap = task((map: Map<string, Counter>) => {
  map.get('it')!.n = 99
})
export const readIt = task((o: Counter) => o.n)
export const holdNew = task(async (n: number) => ({ made: new Map([['it', await Object.assign(new Counter(), { n }).makePersistent()]]) }))

/** Hands what it has changed, and not stored yet, to a task. */
export const changeAndHandOn = task(
  async (o: Counter) => {
    o.n += 5
    return [await readInMap(new Map([['it', o]])), await readInRecord({ one: o }), await readInSet(new Set([o]))]
  },
  { args: [INOUT] },
)
