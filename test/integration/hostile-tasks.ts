/** Tasks that misbehave, for the tests of the runtime. A module of its own, so that workers can import it. */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import {
  CONCURRENT,
  type Future,
  IN,
  INOUT,
  StorageDict,
  StorageObject,
  TaskContext,
  t,
  task,
  UnavailableError,
} from '../../runtime/index.js'
import { isFirst } from '../conformance/is-first.js'

export class Box extends StorageObject {
  n = 0
  next: Box | null = null
  list: number[] = []

  @task.method({ target: INOUT })
  async add(by: number): Promise<number> {
    this.n += by
    return this.n
  }

  @task.method()
  async changeUndeclared(): Promise<void> {
    this.n++
  }

  @task.method({ target: INOUT })
  async changeValue(o: { n: number }): Promise<void> {
    o.n++
  }
}

export class Shelf extends StorageObject {
  rows = new StorageDict({ name: t.text }, { n: t.i32 })
}

export class OddError extends RangeError {
  readonly code = 'E_ODD'
  constructor(
    message: string,
    readonly detail: unknown,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
  get twice(): string {
    return `${this.message} ${this.message}`
  }
}

class HiddenError extends Error {
  readonly hidden = true
}

// ---- values

/** Fills arrays of so many bytes, one after the other, and gives how many pages of memory the system had to give it for each, at last. */
export const pagesAnArray = task((bytes: number): number => {
  const rounds = 60
  const fill = (): void => {
    for (let n = 0; n < rounds; n++) new Uint8Array(bytes).fill(1)
  }
  fill()
  const before = process.resourceUsage().minorPageFault
  fill()
  return (process.resourceUsage().minorPageFault - before) / rounds
})

export const echo = task(<T>(x: T) => x)
/** The first of two things, of which the second may take its time. */
export const join = task((x: unknown, _then: unknown) => x)
export const square = task((x: number) => x * x)
export const sumOfMap = task((m: Map<string, number>) => [...m.values()].reduce((a, b) => a + b, 0))
export const sumOfFields = task((o: { a: number; deep: { list: readonly number[]; set: Set<number> } }) => {
  return o.a + o.deep.list.reduce((x, y) => x + y, 0) + [...o.deep.set].reduce((x, y) => x + y, 0)
})
export const ownName = task(() => TaskContext.current!.task)
export const isSame = task((o: { a: object; b: object; self: unknown }) => o.a === o.b && o.self === o)
export const sizeOf = task((bytes: Uint8Array) => bytes.length)
export const bytesOf = task((n: number) => new Uint8Array(n).fill(7))
export const bytesFor = task((box: Box, n: number) => new Uint8Array(n).fill(box.n))
export const slowly = task(async <T>(x: T, ms: number) => {
  await delay(ms)
  return x
})
/** Whether another one runs at the same time: each leaves a file, and looks for that of the other. */
export const meets = task(
  async (_together: Box, own: string, other: string) => {
    writeFileSync(own, '')
    for (let i = 0; i < 1000 && !existsSync(other); i++) await delay(5)
    return existsSync(other)
  },
  { args: [CONCURRENT] },
)
/** Ends when there is a file, and not before. */
export const onceThere = task(async <T>(x: T, go: string) => {
  while (!existsSync(go)) await delay(5)
  return x
})
export const pushNested = task((list: number[][], x: number) => void list[0]!.push(x), { args: [INOUT] })
export const pushAll = task((list: number[], more: readonly number[]) => void list.push(...more), { args: [INOUT] })
export const addTo = task((o: { n: number }, by: number) => void (o.n += by), { args: [INOUT] })
export const readN = task((o: { n: number }) => o.n)
export const failOnWrite = task(
  (o: { n: number }) => {
    o.n = 99
    throw new RangeError('after writing')
  },
  { args: [INOUT], onFailure: 'IGNORE' },
)
export const failWriting = task(
  (o: { n: number }) => {
    o.n = 99
    throw new RangeError('after writing')
  },
  { args: [INOUT] },
)
/** The same once something else is there. */
export const failOnWriteAfter = task(
  (_o: { n: number }, _first: unknown) => {
    throw new RangeError('after writing')
  },
  { args: [INOUT], onFailure: 'IGNORE' },
)
export const promisesOf = task((x: number): unknown => [Promise.resolve(x), [Promise.resolve(x + 1)]])

// ---- objects

export const newBox = task(async (n: number) => Object.assign(new Box(), { n }).makePersistent())
export const newBoxes = task(async (n: number) => {
  const boxes = await Promise.all(Array.from({ length: n }, (_, i) => Object.assign(new Box(), { n: i }).makePersistent()))
  return { first: boxes[0]!, all: boxes, byName: new Map(boxes.map((b) => [`b${b.n}`, b])) }
})
export const volatileBox = task((n: number) => Object.assign(new Box(), { n, next: Object.assign(new Box(), { n: n + 1 }) }))
export const persistWith = task(
  async (box: Box, n: number) => {
    box.n = n
    await box.makePersistent()
  },
  { args: [INOUT] },
)
export const nOf = task((b: Box) => b.n)
export const nOfAll = task((boxes: Box[]) => boxes.reduce((sum, b) => sum + b.n, 0))
export const nOfMapped = task((boxes: Map<string, Box>) => [...boxes.values()].reduce((sum, b) => sum + b.n, 0))
export const addN = task(
  (b: Box, by: number) => {
    b.n += by
    return b.n
  },
  { args: [INOUT] },
)
export const addAll = task(
  (boxes: Box[], by: number) => {
    for (const b of boxes) b.n += by
  },
  { args: [INOUT] },
)
export const moveN = task(
  (from: Box, to: Box, n: number) => {
    from.n -= n
    to.n += n
  },
  { args: [INOUT, INOUT] },
)
export const addOrIgnore = task((b: Box, by: number) => void (b.n += by), { args: [INOUT], onFailure: 'IGNORE' })
export const changeIn = task((b: Box) => void (b.n = 5), { args: [IN] })
export const changeInRows = task(async (_n: number, shelf: Shelf) => void shelf.rows.set({ name: 'a' }, { n: 1 }))
export const changeInValue = task((o: { n: number }) => void (o.n = 5))
export const addSlowly = task(
  async (b: Box, ms: number) => {
    await delay(ms)
    b.n += 1
  },
  { args: [INOUT] },
)

/** Adds one when there is a file, and not before. */
export const addOnceThere = task(
  async (b: Box, go: string) => {
    while (!existsSync(go)) await delay(5)
    b.n += 1
  },
  { args: [INOUT] },
)

// ---- failures

export const throwValue = task((kind: 'text' | 'nothing' | 'object' | 'symbol' | 'function') => {
  const values = { text: 'just text', nothing: undefined, object: { reason: 1 }, symbol: Symbol('s'), function: () => 1 }
  throw values[kind]
})
export const throwOdd = task((message: string) => {
  throw new OddError(message, { list: [1, 2] }, { cause: new OddError('inner', null) })
})
export const throwHidden = task(() => {
  throw new HiddenError('hidden class')
})
class UnreadableError extends Error {
  override get message(): string {
    throw new TypeError('nobody reads this')
  }
}
/** Errors that cannot be sent as they are. */
export const throwUnsendable = task((kind: 'unreadable' | 'field' | 'constructor' | 'revoked') => {
  if (kind === 'unreadable') throw new UnreadableError()
  const error = new RangeError(kind, { cause: new Error('the cause') })
  if (kind === 'field') Object.assign(error, { code: 'E_KEPT', report: () => {} })
  if (kind === 'constructor') Object.defineProperty(error, 'constructor', { value: undefined })
  const { proxy, revoke } = Proxy.revocable(error, {})
  if (kind !== 'revoked') throw error
  revoke()
  throw proxy
})
export const throwFrozen = task(() => {
  throw Object.freeze(new OddError('frozen', null))
})
export const throwAggregate = task(() => Promise.any([Promise.reject(new TypeError('one')), Promise.reject(new RangeError('two'))]))
export const rejectLater = task(async () => {
  await delay(1)
  throw new TypeError('later')
})
export const failTimes = task(
  (marker: string, times: number) => {
    for (let i = 0; i < times; i++) if (isFirst(`${marker}-${i}`)) throw new RangeError(`attempt ${i + 1}`)
    return 'at last'
  },
  { onFailure: 'RETRY' },
)
export const unavailableTimes = task(
  (marker: string, times: number) => {
    for (let i = 0; i < times; i++) if (isFirst(`${marker}-${i}`)) throw new UnavailableError(`attempt ${i + 1}`)
    return 'at last'
  },
  { onFailure: 'RETRY' },
)
export const failIgnored = task(
  (): number => {
    throw new RangeError('ignored')
  },
  { onFailure: 'IGNORE' },
)
export const failAll = task(
  () => {
    throw new RangeError('stops all')
  },
  { onFailure: 'FAIL' },
)
export const forgetRejection = task(async (x: number) => {
  void Promise.reject(new Error('nobody waits for this'))
  await delay(5)
  return x
})

// ---- workers

export const exitWorker = task((code: number) => process.exit(code))
export const exitOnce = task((marker: string) => {
  if (isFirst(marker)) process.exit(3)
  return 'again'
})
export const loopForever = task(() => {
  for (;;);
})
export const loopForeverBriefly = task(
  (): number => {
    for (;;);
  },
  { timeoutMs: 100 },
)
export const loopOnce = task(
  (marker: string) => {
    while (isFirst(marker)) for (;;);
    return 'second time'
  },
  { timeoutMs: 100, onFailure: 'RETRY' },
)
export const waitForSignal = task(
  async (heard?: string) => {
    const { signal } = TaskContext.current!
    await delay(60_000, undefined, { signal }).catch((error: Error) => {
      if (heard !== undefined) writeFileSync(heard, '')
      throw error
    })
  },
  { timeoutMs: 50 },
)
export const waitForCancel = task(async (marker: string) => {
  const { signal } = TaskContext.current!
  await delay(10_000, undefined, { signal }).catch((error: Error) => {
    isFirst(marker)
    throw error
  })
})
export const abortWorker = task(() => process.abort())
/** Stops its whole process, as a debugger or a full swap would. */
export const freezeWorker = task(
  async () => {
    process.kill(process.pid, 'SIGSTOP')
    await delay(60_000)
  },
  { timeoutMs: 100 },
)
export const processId = task(() => process.pid)
export const processIdLater = task(async (ms: number) => {
  await delay(ms)
  return process.pid
})
/** Says where it runs, and never ends. */
export const loopAndTell = task((file: string) => {
  writeFileSync(file, String(process.pid))
  for (;;);
})
export const throwInTimer = task(async () => {
  setTimeout(() => {
    throw new OddError('in a timer', 1)
  }, 1)
  await delay(100)
})
export const throwInTimerOnce = task(async (marker: string) => {
  if (isFirst(marker))
    setTimeout(() => {
      throw new Error('in a timer')
    }, 1)
  await delay(100)
  return 'went well'
})
export const fillMemory = task(() => {
  const all: unknown[] = []
  for (;;) all.push(new Array(1000).fill(Math.random()))
})
/** Adds one and ends its worker after the commit is under way, the first time. */
export const addAndExitOnce = task(
  (b: Box, marker: string) => {
    b.n += 1
    if (isFirst(marker)) setImmediate(() => process.exit(1))
    return b.n
  },
  { args: [INOUT] },
)

// ---- nested

export const fibonacci: (n: number) => Future<number> = task(async (n: number): Promise<number> => {
  if (n < 2) return n
  const [a, b] = await Promise.all([fibonacci(n - 1), fibonacci(n - 2)])
  return a + b
})

export const shared = { inGroup: task((x: number) => x + 1) }
const unexported = task(() => 1)
export const callUnexported = (): Future<number> => unexported()
