/** Tasks that call tasks, for the cases of `children.ts`. A module of its own, so that workers can import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { barrier, group, type Id, INOUT, TaskContext, TaskFailedError, task, waitOn } from '../../runtime/index.js'
import { Counter, type Counts, Item } from './model.js'

export const add = task(
  (o: Counter, by: number) => {
    o.n += by
    return o.n
  },
  { args: [INOUT] },
)
/** Changes what it is given, makes an object and a row, and fails. */
const spoil = async (o: Item, rows: Counts, alias: string, other: Id): Promise<void> => {
  o.text = 'spoilt'
  o.list.push(99)
  rows.counts.set({ word: 'old' }, { n: 9n })
  rows.counts.set({ word: 'new' }, { n: 1n })
  rows.counts.delete({ word: 'gone' })
  await Object.assign(new Item(), { text: 'never' }).makePersistent(alias)
  const found = await Counter.getByID(other)
  found.n = -1
  throw new RangeError('spoilt')
}
export const spoilAndFail = task(spoil, { args: [INOUT, INOUT] })
export const spoilAndIgnore = task(spoil, { args: [INOUT, INOUT], onFailure: 'IGNORE' })
/** Goes on without the child that failed. */
export const goOnWithout = task(
  async (o: Item, rows: Counts, alias: string, other: Counter, policy: 'FAIL' | 'IGNORE') => {
    const kept = o.list
    o.text = 'before'
    o.list.push(1)
    rows.counts.set({ word: 'old' }, { n: 5n })
    const child = policy === 'IGNORE' ? spoilAndIgnore : spoilAndFail
    const told = await child(o, rows, alias, other.getID()!).then(
      (value) => String(value),
      (error: Error) => error.message,
    )
    kept.push(2) // it is still the list of the object
    rows.counts.set({ word: 'later' }, { n: 7n })
    return [told, o.text, o.list, other.n]
  },
  { args: [INOUT, INOUT] },
)

/** Fails until its third attempt. */
export const addAtLast = task(
  (o: Counter, list: number[]) => {
    const { number } = TaskContext.current!
    o.n += 1
    list.push(number)
    if (number < 3) throw new RangeError(`attempt ${number}`)
    return o.n
  },
  { args: [INOUT, INOUT], onFailure: 'RETRY' },
)
export const addAtLastInside = task(
  async (o: Counter) => {
    o.n += 10
    const list: number[] = []
    return [await addAtLast(o, list), o.n, list]
  },
  { args: [INOUT] },
)

export const slowly = task(
  async (o: Counter, by: number) => {
    await delay(5)
    o.n += by
  },
  { args: [INOUT] },
)
/** Awaits none of its children: those of its own data, and one of another object. */
export const callAndReturn = task(
  (mine: Counter, other: Counter) => {
    slowly(mine, 1)
    slowly(mine, 1)
    slowly(other, 5)
    return 'returned'
  },
  { args: [INOUT] },
)
export const fail = task((text: string) => {
  throw new RangeError(text)
})
export const pass = task(<T>(value: T) => value)
export const failUnawaited = task(
  async (o: Counter) => {
    o.n = 50
    fail('unawaited')
    await delay(1)
    return o.n
  },
  { args: [INOUT] },
)
/** What it sees once it has waited: by `barrier`, by `waitOn` of the object, in a group. */
export const waitInside = task(async (o: Counter, how: 'barrier' | 'waitOn' | 'group') => {
  const calls = (): void => {
    slowly(o, 1)
    slowly(o, 1)
  }
  if (how === 'group') await group(calls)
  else calls()
  if (how === 'barrier') await barrier()
  if (how === 'waitOn') await waitOn(o)
  return o.n
})
const appendTo = task(
  async (list: number[], x: number) => {
    await delay(5)
    list.push(x)
  },
  { args: [INOUT] },
)
export const lengthOf = task((list: readonly number[]) => list.length)
export const lengthsIn = task((lists: ReadonlyMap<string, readonly number[]>) => Array.from(lists.values(), ({ length }) => length))
/** Lengths of a list for children called before and behind those that write it, none of which is awaited; and for itself. */
export const writeAndHandOn = task(async () => {
  const list: number[] = []
  const before = lengthOf(list)
  appendTo(list, 1)
  appendTo(list, 2)
  const behind = [lengthOf(list), lengthsIn(new Map([['it', list]]))] as const
  return [await before, await behind[0], ...(await behind[1]), (await waitOn(list)).length]
})
/** How its barrier tells of children that failed, once; one that takes what has failed is not told beside it. */
export const failInside = task(async () => {
  const first = fail('one')
  pass(first)
  fail('two')
  const told = await barrier().then(
    () => [],
    (error: AggregateError) => error.errors.map((e: Error) => e.message),
  )
  await barrier()
  const behind = await pass(fail('three')).catch((error: unknown) =>
    error instanceof TaskFailedError ? [error.code, (error.cause as Error).message] : [],
  )
  return [told, behind]
})
