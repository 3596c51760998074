/**
 * Not a benchmark but the measurement behind what bench/README.md says of puts: the least that a put must do for what insitu promises, by
 * hand on bare lmdb. For each object an id, a record with a checksum, a weak entry and a promise; for each batch one transaction whose
 * pages are on the disk before it stands, a list of its ids, and a flush. `node dist/bench/file-floor.js [BATCH]`
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { open } from 'lmdb'
import { pack } from 'msgpackr'
import { v7 } from 'uuid'
import { collectGarbage, median, withFolder } from './harness.js'

const COUNT = 20_000
const ROUNDS = 8
const HEAD_BYTES = 40
/** As in backends/nvram/environment.ts. */
const WRITE_FLAGS = 0x40000 | 2 | 1

interface Item {
  id: string
  readonly text: string
}

const textOf = (n: number): string => `${n}:0:`.padEnd(100, 'x')

async function microsecondsEach(batch: number, work: (from: number) => Promise<void>): Promise<number> {
  collectGarbage()
  const start = performance.now()
  for (let from = 0; from < COUNT; from += batch) await work(from)
  return ((performance.now() - start) * 1000) / COUNT
}

function recordOf({ text }: Item): Buffer {
  const body = pack(['text', text])
  const record = Buffer.alloc(HEAD_BYTES + body.length)
  record.set(body, HEAD_BYTES)
  record.writeUInt32LE(crc32(record.subarray(8)), 4)
  return record
}

async function floor(folder: string, batch: number): Promise<void> {
  const file = open<Uint8Array, Uint8Array>({
    path: join(folder, 'floor'),
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
  }) as ReturnType<typeof open<Uint8Array, Uint8Array>> & { sync(done: (error?: Error) => void): void }
  const plain = open<{ text: string }, string>({ path: join(folder, 'plain'), encoding: 'msgpack' })
  const known = new Map<string, WeakRef<Item>>()
  let random = randomBytes(8192)
  const id = (): string => {
    if (random.length < 16) random = randomBytes(8192)
    const text = v7({ random: random.subarray(0, 16) })
    random = random.subarray(16)
    return text
  }
  const put = async (items: Item[]): Promise<void> => {
    let committed = (): void => {}
    const over = new Promise<void>((resolve) => {
      committed = resolve
    })
    const stored = items.map((item) => {
      item.id = id()
      known.set(item.id, new WeakRef(item))
      return over.then(() => item)
    })
    file.transactionSync(() => {
      const keys = items.map((item) => {
        const key = Buffer.from(item.id.replaceAll('-', ''), 'hex')
        file.putSync(key, recordOf(item))
        return key
      })
      file.putSync(randomBytes(16), Buffer.concat(keys))
    }, WRITE_FLAGS)
    await new Promise<void>((resolve, reject) => file.sync((error) => (error ? reject(error) : resolve())))
    committed()
    await Promise.all(stored)
  }
  const [hands, lmdbs]: [number[], number[]] = [[], []]
  for (let round = 0; round <= ROUNDS; round++) {
    const items = Array.from({ length: COUNT }, (_, n): Item => ({ id: '', text: textOf(n) }))
    const hand = await microsecondsEach(batch, (from) => put(items.slice(from, from + batch)))
    const keys = Array.from({ length: COUNT }, (_, n) => String(round * COUNT + n).padStart(36, '0'))
    const lmdb = await microsecondsEach(batch, async (from) => {
      await Promise.all(keys.slice(from, from + batch).map((key, n) => plain.put(key, { text: textOf(n) })))
      await plain.flushed
    })
    if (round === 0) continue
    hands.push(hand)
    lmdbs.push(lmdb)
  }
  await file.close()
  await plain.close()
  const [hand, lmdb] = [median(hands), median(lmdbs)]
  console.log(`${batch} at once: ${hand.toFixed(1)} us a put by hand, ${lmdb.toFixed(1)} by lmdb's own put: ${(lmdb / hand).toFixed(2)}`)
}

await withFolder((folder) => floor(folder, Number(process.argv[2] ?? 1000)))
