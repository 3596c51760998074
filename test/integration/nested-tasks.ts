/** Tasks that call tasks. */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { type Future, INOUT, StorageObject, submitReady, TaskContext, task } from '../../runtime/index.js'
import { ElsewhereError } from './thrown-class.js'

export class Tally extends StorageObject {
  n = 0
}

export const fib: (n: number) => Future<number> = task(async (n: number): Promise<number> => {
  if (n < 2) return n
  const [a, b] = await Promise.all([fib(n - 1), fib(n - 2)])
  return a + b
})

/** Waits for each child before the next call: as deep as it says. */
export const deep: (n: number) => Future<number> = task(async (n: number): Promise<number> => (n === 0 ? 0 : 1 + (await deep(n - 1))))

export const where = task(async (ms: number) => {
  await delay(ms)
  return `${process.pid}/${threadId}`
})
/** Where its children ran. */
export const spread = task(async (n: number, ms: number) => [
  ...new Set(await Promise.all(Array.from({ length: n }, async () => where(ms)))),
])
const [first, second] = [task(() => 1), task(() => 2)]

export { first, second }
/** Two children at once of which the second is met here only. */
export const pair = task(async () => Promise.all([first(), second()]))
/** Every one of them has children that wait for children. */
export const tree: (depth: number, width: number) => Future<number> = task(async (depth: number, width: number): Promise<number> => {
  await delay(1)
  if (depth === 0) return 1
  const children = await Promise.all(Array.from({ length: width }, async () => tree(depth - 1, width)))
  return children.reduce((sum, one) => sum + one, 0)
})

export const add = task(
  (tally: Tally, by: number) => {
    tally.n += by
    return tally.n
  },
  { args: [INOUT] },
)
/** Adds one once there is a file, and has little time for it. */
export const addLate = task(
  async (tally: Tally, go: string) => {
    while (!existsSync(go)) await delay(5)
    tally.n += 1
  },
  { args: [INOUT], timeoutMs: 100 },
)
/** As late as a machine that stands still makes it. */
const IN_TIME_MS = 50_000
const added = (tally: Tally, go: string, isInTime: boolean): Future<void> =>
  isInTime ? task.configure(addLate, { timeoutMs: IN_TIME_MS })(tally, go) : addLate(tally, go)
/** What becomes of children that have a time: the codes of their errors. */
export const callLate = task(async (tallies: Tally[], go: string, isInTime: boolean) => {
  const ends = await Promise.allSettled(tallies.map(async (tally) => added(tally, go, isInTime)))
  return ends.map((end) => (end.status === 'rejected' ? (end.reason as { code?: string }).code : 'done'))
})
export const loop = task(
  (): never => {
    for (;;);
  },
  { timeoutMs: 100 },
)
/** Calls children that never end by themselves, one after the other, and goes on. */
export const callLoops = task(
  async (tally: Tally, count: number) => {
    const codes: unknown[] = []
    for (let i = 0; i < count; i++) await loop().catch((error: unknown) => codes.push((error as { code?: string }).code))
    tally.n += codes.length
    return codes
  },
  { args: [INOUT] },
)
/** The same with a child that is part of its parent's unit of work. */
export const callLateInPlace = task(
  async (tally: Tally, go: string, isInTime: boolean) => {
    const late = await added(tally, go, isInTime).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    return late
  },
  { args: [INOUT] },
)
export const read = task((tally: Tally) => tally.n)
/** Calls on what it holds for writing are part of its own unit of work. */
export const addTwiceAndFail = task(
  async (tally: Tally, other: Tally) => {
    await add(tally, 1)
    await add(other, 1)
    tally.n += 1
    throw new RangeError(`saw ${tally.n}`)
  },
  { args: [INOUT] },
)
/** What its children changed, it sees; those on one object go in the order of their calls. */
export const addInOrder = task(async (tally: Tally) => {
  const seen = await Promise.all([add(tally, 1), add(tally, 10), read(tally), add(tally, 100)])
  return [...seen, tally.n]
})
/** Its children must not count twice when it runs again. */
export const addAndDieOnce = task(async (tally: Tally, marker: string) => {
  await Promise.all([1, 2, 3, 4].map(async () => add(tally, 1)))
  if (!existsSync(marker)) {
    writeFileSync(marker, '')
    process.exit(1)
  }
  return read(tally)
})
export const fail = task((text: string) => {
  throw new RangeError(text)
})
export const failIgnored = task(
  (): number => {
    throw new RangeError('ignored')
  },
  { onFailure: 'IGNORE' },
)
const messageOf = (error: unknown): string => (error as Error).message
export const callFailing = task(async (text: string) => {
  const ignored = await failIgnored()
  const told = await Promise.all([fail(text).catch(messageOf), where(20), fail(`${text}!`).catch(messageOf)])
  return [ignored, told[0], told[2]]
})
/** Two that each hold one object and call for the other's. */
export const crossed = task(
  async (mine: Tally, other: Tally) => {
    await delay(20)
    mine.n += 1
    await add(other, 10)
  },
  { args: [INOUT] },
)
export const makeAndPass = task(async () => {
  const tally = await Object.assign(new Tally(), { n: 5 }).makePersistent()
  const read5 = await read(tally)
  await add(tally, 1)
  return [read5, tally.n]
})

/** Waits until it is told to stop, or for as long as nobody wants, whatever it is told. */
export const linger = task(
  async (tally: Tally, listens: boolean) => {
    tally.n += 1
    const { signal } = TaskContext.current!
    const told = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    await (listens ? told : delay(2000))
  },
  { args: [INOUT] },
)
const codeOf = (error: unknown): unknown => (error as { code?: string }).code
/** Children that are cancelled: before they begin, where they run, in the parent's place, by a signal that was given before or comes later. */
export const cancelChildren = task(
  async (mine: Tally, others: Tally[]) => {
    const early = where(500)
    early.cancel('early')
    const running = others.map((other) => linger(other, true))
    const own = linger(mine, true)
    const controller = new AbortController()
    const signalled = task.configure(where, { signal: controller.signal })(500)
    const aborted = task.configure(where, { signal: AbortSignal.abort('before') })(500)
    await delay(50)
    for (const one of running) one.cancel('running')
    controller.abort('signal')
    const told = (await Promise.allSettled([early, ...running, signalled, aborted])).map((end) =>
      end.status === 'rejected' ? end.reason : end,
    )
    own.cancel('own')
    told.push(await own.catch((error: unknown) => error))
    return [told.map(codeOf), told.map((error: { cause?: unknown }) => error.cause), mine.n]
  },
  { args: [INOUT] },
)
export const sizes = task((lists: Map<string, unknown>, list: unknown[]) => [[...lists.values()], list])
export const later = task(async <T>(value: T) => {
  await delay(5)
  return value
})
/** What its children are given: futures anywhere, and what else as it is at the call. */
export const giveAll = task(async () => {
  const list: unknown[] = [1, [later(2)]]
  const given = sizes(new Map<string, unknown>([['a', later(3)]]), list)
  list.push('too late')
  const behind = sizes(later(new Map<string, unknown>()), list)
  list.push('too late')
  return [await given, (await behind)[1]!.length]
})
export const failElsewhere = task(async (ms: number) => {
  await delay(ms)
  throw new ElsewhereError('a class of another module', 7)
})
/** Of which class its children's errors are, wherever they run. */
export const classesOfChildren = task(async (n: number) => {
  const ends = await Promise.allSettled(Array.from({ length: n }, () => failElsewhere(10)))
  return ends.map((end) => end.status === 'rejected' && end.reason instanceof ElsewhereError && end.reason.doubled)
})
export const askToSubmit = task(async () => {
  await submitReady({ limit: 1 })
  return 'goes on'
})
