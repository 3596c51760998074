/** Tasks that tell where they run. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { executeTask, IN, INOUT, StorageDict, StorageObject, StorageStream, t, task, transact } from '../../runtime/index.js'

export class Cell extends StorageObject {
  n = 0
  bytes = new Uint8Array(0)
  next: Cell | null = null

  async pidHere(): Promise<number> {
    return process.pid
  }

  async add(by: number): Promise<number> {
    return this.n + by
  }
}

export class Table extends StorageObject {
  rows = new StorageDict({ key: t.text }, { n: t.i64 })
}

export class Feed extends StorageObject {
  rows = new StorageDict({ key: t.text }, { text: t.text })
  items = new StorageStream<Uint8Array>()
}

export const whereIs = task((_cell: Cell) => process.pid)
/** Runs on the host of the first one, which is the larger one to move. */
export const sizesOf = task((here: Cell, there: Cell) => here.bytes.length + there.bytes.length)
export const nOfAll = task((here: Cell, there: Cell) => here.n + there.n)
export const nOfCell = task((cell: Cell) => cell.n)
export const bump = task(
  (cell: Cell, by: number) => {
    cell.n += by
    return cell.n
  },
  { args: [INOUT] },
)
/** A step of a computation in place: it takes what was made of the cell. */
export const bumpBy = task(
  (cell: Cell, bytes: Uint8Array) => {
    cell.n += bytes.length > 0 ? 1 : 0
  },
  { args: ['INOUT', 'IN'] },
)
export const bumpSlowly = task(
  async (cell: Cell, ms: number) => {
    await delay(ms)
    cell.n += 1
  },
  { args: [INOUT] },
)
/** From one object to another, on whatever host. */
export const move = task(
  (from: Cell, to: Cell, amount: number) => {
    from.n -= amount
    to.n += amount
  },
  { args: [INOUT, INOUT] },
)
export const makeBeside = task(async (cell: Cell, alias: string) => {
  const made = new Cell()
  made.n = cell.n + 1
  await made.makePersistent(alias)
  return alias
})
export const makeAt = task(async (_cell: Cell, host: string) => (await new Cell().makePersistent(undefined, { host })).getID()!)
export const addRow = task((table: Table, key: string, n: bigint) => table.rows.set({ key }, { n }), { args: [INOUT] })
export const sumRows = task(async (table: Table) => {
  let sum = 0n
  for await (const [, { n }] of table.rows) sum += n
  return sum
})
export const bothIn = task(async (alias: string, other: string) =>
  transact(async () => {
    const [a, b] = [await Cell.getByAlias(alias), await Cell.getByAlias(other)]
    a.n += 1
    b.n += 1
  }),
)
export const bytesLike = task((cell: Cell, n: number) => new Uint8Array(n).fill(cell.n))
/** Sleeps beside its object until there is a file, but for so long at least; from its second time on it is known to be long, and planned. */
export const sleepBeside = task(
  async (_cell: Cell, ms: number, until: string) => {
    await delay(ms)
    while (!existsSync(until)) await delay(5)
  },
  { args: [IN] },
)
export const lengthBesideSlowly = task(async (_cell: Cell, bytes: Uint8Array) => {
  await delay(5)
  return bytes.length
})
/** As long as its argument, and each byte one more. */
export const incremented = task((bytes: Uint8Array) => bytes.map((byte) => byte + 1))
/** Runs beside the second one, which is large. */
export const bytesOfRows = task(async (table: Table, _beside: Cell) => {
  const rows: bigint[] = []
  for await (const [, { n }] of table.rows) rows.push(n)
  return new Uint8Array(100_000).fill(rows.length)
})
/** The same of an object that it finds by its name. */
export const bytesOfNamed = task(async (alias: string, _beside: Cell) => new Uint8Array(100_000).fill((await Cell.getByAlias(alias)).n))
export const bumpForBytes = task(
  (cell: Cell) => {
    cell.n += 1
    return new Uint8Array(100_000).fill(cell.n)
  },
  { args: [INOUT] },
)
export const lengthOf = task((_cell: Cell, bytes: Uint8Array) => [process.pid, bytes.length, bytes[0]!])
export const lengthOfAll = task((all: Uint8Array[]) => all.reduce((sum, one) => sum + one.length, 0))
export const fillBytes = task((_cell: Cell, bytes: Uint8Array, n: number) => void bytes.fill(n), { args: [IN, INOUT] })
export const lengths = task((a: Uint8Array, b: Uint8Array) => a.length + b.length)
export const killHost = task((_cell: Cell) => process.kill(process.pid, 'SIGKILL'))
/** Has a method of an object run that it only refers to. */
export const askNext = task(async (cell: Cell) => [
  process.pid,
  await executeTask(cell.next!, 'pidHere'),
  await executeTask(cell.next!, 'add', 1),
])
export const removeIt = task((cell: Cell) => cell.deletePersistent(), { args: [INOUT] })
/** Reads all rows, or all items, of the second one beside the first one, which is larger. */
export const rowsBeside = task(async (_here: Cell, feed: Feed) => {
  let count = 0
  for await (const [, { text }] of feed.rows) count += text.length
  return count
})
export const rowBeside = task(async (_here: Cell, feed: Feed, key: string) => (await feed.rows.get({ key }))?.text.length)
export const itemsBeside = task(async (_here: Cell, feed: Feed) => {
  let count = 0
  for await (const item of feed.items) count += item.length
  return count
})
/** A result that rides in the message that tells of its task. */
export const smallResult = task((_here: Cell, bytes: number) => new Uint8Array(bytes))
export const lengthBeside = task((_here: Cell, bytes: Uint8Array) => bytes.length)
