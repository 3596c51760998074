/** The tasks of the suite. A module of its own, so that worker threads can import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { CONCURRENT, IN, INOUT, OUT, type StorageStream, task } from '../../runtime/index.js'
import { UnavailableError } from '../../src/errors.js'
import { isFirst } from './is-first.js'
import {
  booksOf,
  Counter,
  type Counts,
  type Grid,
  Item,
  type Person,
  type Routes,
  Shelf,
  type Tally,
  type Texts,
  type Totals,
} from './model.js'

// ---- values

export const square = task((x: number) => x * x)
export const addUp = task((xs: number[]) => xs.reduce((sum, x) => sum + x, 0))
export const echo = task(<T>(x: T) => x)
export const slowly = task(async (x: number, ms: number) => {
  await delay(ms)
  return x
})
export const appendTo = task(
  (list: number[], x: number) => {
    list.push(x)
  },
  { args: [INOUT] },
)
export const lengthOf = task((list: number[]) => list.length)

// ---- objects

export const sumOf = task((o: Item) => o.list.reduce((sum, x) => sum + x, 0))
export const readN = task((o: Counter) => o.n)
export const readNTwice = task(async (o: Counter) => {
  const { n } = o
  await delay(40)
  return [n, o.n]
})
export const addN = task(
  (o: Counter, by: number) => {
    o.n += by
    return o.n
  },
  { args: [INOUT] },
)
export const overwriteN = task(
  (o: Counter, n: number) => {
    o.n = n
  },
  { args: [OUT] },
)
export const pushTo = task(
  (o: Item, x: number) => {
    o.list.push(x)
  },
  { args: [INOUT] },
)
export const makeVolatile = task((text: string) => Object.assign(new Item(), { text }))
export const fillAndReturn = task(
  (o: Item, text: string) => {
    o.text = text
    return o
  },
  { args: [INOUT] },
)
export const doubleBoth = task(
  (a: Counter, b: Counter) => {
    a.n *= 2
    b.n *= 2
    return [a.n, b.n]
  },
  { args: [INOUT, INOUT] },
)
export const timesTen = task(async (o: Counter) => Object.assign(new Counter(), { n: o.n * 10 }).makePersistent())
export const squareN = task((o: Counter) => o.n ** 2)
export const persistNew = task(async (text: string) => (await Object.assign(new Item(), { text }).makePersistent()).getID()!)
export const persistAs = task(async (alias: string, text: string) => Object.assign(new Item(), { text }).makePersistent(alias))
export const persistArgument = task(
  async (o: Item, n: number) => {
    o.n = n
    await o.makePersistent()
    return o.getID()
  },
  { args: [INOUT] },
)
export const rename = task(
  (p: Person, name: string, age: number) => {
    p.name = name
    p.age = age
    p.computers.push({ model: `of ${name}`, year: 2000 + p.computers.length })
  },
  { args: [INOUT] },
)
export const namesIn = task(async (nested: Item[][]) => nested.map((list) => list.map((o) => o.text)))
export const dogIsLoaded = task(async (p: Person) => {
  await p.dog!.load()
  return p.dog!.name
})

// ---- reductions and chains

export const countWords = task((texts: Texts) => {
  const counts = new Map<string, number>()
  for (const word of texts.lines.join(' ').split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
})
const merge = (into: Map<string, number>, part: Map<string, number>): void => {
  for (const [word, n] of part) into.set(word, (into.get(word) ?? 0) + n)
}
export const mergeInto = task((into: Map<string, number>, part: Map<string, number>) => merge(into, part), { args: [INOUT] })
export const mergeIntoTally = task((into: Tally, part: Map<string, number>) => merge(into.counts, part), { args: [INOUT] })
export const mergeIntoRows = task(
  async (into: Counts, part: Map<string, number>) => {
    for (const [word, n] of part) into.counts.set({ word }, { n: ((await into.counts.get({ word }))?.n ?? 0n) + BigInt(n) })
  },
  { args: [INOUT] },
)
const mapRows = (from: Grid, to: Grid, change: (x: number) => number): number[] => (to.rows = from.rows.map(change))
export const squareRows = task((from: Grid, to: Grid) => mapRows(from, to, (x) => x * x), { args: [IN, INOUT] })
export const addOneToRows = task((from: Grid, to: Grid) => mapRows(from, to, (x) => x + 1), { args: [IN, INOUT] })
export const tripleRows = task((from: Grid, to: Grid) => mapRows(from, to, (x) => x * 3), { args: [IN, INOUT] })
export const squareRowsOut = task((to: Grid, from: Grid) => mapRows(from, to, (x) => x * x), { args: [OUT, IN] })
export const addOneToRowsOut = task((to: Grid, from: Grid) => mapRows(from, to, (x) => x + 1), { args: [OUT, IN] })
export const tripleRowsOut = task((to: Grid, from: Grid) => mapRows(from, to, (x) => x * 3), { args: [OUT, IN] })

// ---- dictionaries

export const countRows = task((o: Counts) => o.counts.count())
/** Of a collection, or of a part of one. */
export const sumOfRows = task(async (rows: Counts['counts']) => {
  let sum = 0n
  for await (const { n } of rows.values()) sum += n
  return sum
})
export const putRow = task(
  (o: Counts, word: string, n: number) => {
    o.counts.set({ word }, { n })
  },
  { args: [INOUT] },
)
export const hit = task(
  (o: Totals, name: string) => {
    o.rows.add({ name }, 'hits', 1)
  },
  { args: [CONCURRENT] },
)

export const hitLater = task(
  async (o: Totals, name: string) => {
    await delay(30)
    o.rows.add({ name }, 'hits', 1)
  },
  { args: [CONCURRENT] },
)
export const hitsOf = task(async (o: Totals, name: string) => (await o.rows.get({ name }))?.hits ?? 0n)
export const hitOnce = task(
  async (o: Totals, name: string) => {
    const before = (await o.rows.get({ name }))?.hits ?? 0n
    if (before === 0n) o.rows.add({ name }, 'hits', 1)
    return before
  },
  { args: [INOUT] },
)

// ---- failures

export class OwnError extends RangeError {
  code = 'E_OWN'
}

export const fail = task((message: string) => {
  throw Object.assign(new OwnError(message, { cause: new TypeError('the cause') }), { detail: 7 })
})
export const failTyped = task(() => {
  throw new UnavailableError('typed', { retryable: true })
})
export const failStrangely = task(() => {
  throw Object.assign(new TypeError('odd one'), { helper: () => 1, cause: { symbol: Symbol('x') } })
})
export const failWithText = task(() => {
  throw 'only a text'
})
export const changeAndFail = task(
  (o: Counter) => {
    o.n = 999
    throw new RangeError('after the change')
  },
  { args: [INOUT] },
)
export const changeRowsAndFail = task(
  async (o: Counts, alias: string) => {
    o.counts.set({ word: 'never' }, { n: 1 })
    await new Item().makePersistent(alias)
    throw new RangeError('after the change')
  },
  { args: [INOUT] },
)
export const addOnceFailing = task(
  (o: Counter, marker: string) => {
    o.n += 1
    if (isFirst(marker)) throw new RangeError('the first attempt fails')
    return o.n
  },
  { args: [INOUT], onFailure: 'RETRY' },
)
export const persistOnceFailing = task(
  async (alias: string, marker: string) => {
    const first = isFirst(marker)
    await Object.assign(new Item(), { text: first ? 'first' : 'second' }).makePersistent(alias)
    if (first) throw new RangeError('the first attempt fails')
  },
  { onFailure: 'RETRY' },
)
export const changeIn = task((o: Counter) => {
  o.n += 1
})

export const changeRowsIn = task((o: Counts) => o.counts.set({ word: 'never' }, { n: 1 }))

export const appendIn = task((list: number[]) => void list.push(0))

const hidden = task(() => 'never')
/** Calls a task that no worker could find. */
export const callHidden = (): PromiseLike<string> => hidden()

/** Its object gets a collection, and another one by way of an object that it gets. */
export const fillShelf = task(
  (shelf: Shelf, title: string) => {
    shelf.books = booksOf(title)
    shelf.next = Object.assign(new Shelf(), { books: booksOf(`${title}, part 2`) })
  },
  { args: [INOUT] },
)

/** Where each route begins, of a dict that comes by itself or as a part; it gets a further one. */
export const firstStops = task(
  async (routes: Routes['routes'], n: number) => {
    const names: string[] = []
    for await (const [, { stops }] of routes) names.push(`${stops[0]!.name} at ${stops[0]!.at.x}`)
    routes.set({ n }, { stops: [{ name: 'made by a task', at: { x: n } }] })
    return names
  },
  { args: [INOUT] },
)

// ---- streams

/** Fails in the middle when it runs for the first time, which `marker` tells. */
export const appendSquares = task(
  async (stream: StorageStream<unknown>, count: number, marker: string) => {
    for (let i = 0; i < count; i++) {
      await stream.append(i * i)
      if (i === 2 && isFirst(marker)) throw new UnavailableError('in the middle of it')
    }
    return count
  },
  { onFailure: 'RETRY' },
)

export const consumeAll = task(async (stream: StorageStream<unknown>, group: string) => {
  const got: unknown[] = []
  for await (const item of stream.consume({ group })) got.push(item)
  return got
})
