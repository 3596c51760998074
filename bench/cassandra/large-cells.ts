/** Fields of 1 MiB, beside the rows that one would cut them into by hand. */
import { types } from 'cassandra-driver'
import { getByID, type Id, StorageObject } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { against, atOnce, type Field, timed, upTo } from './field.js'

const MIB = 1024 * 1024
const CHUNK = 256 * 1024
const CELLS = 64
const CHUNKS_AT_ONCE = 16

export class LargeItem extends StorageObject {
  bytes = new Uint8Array(0)
}

const bytesOf = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(MIB).fill(n + 1)

function assertBytes(bytes: Uint8Array | undefined, n: number): void {
  mustEqual(bytes?.length, MIB, 'bytes')
  mustEqual(bytes?.[0], n + 1, 'first byte')
  mustEqual(bytes?.[MIB - 1], n + 1, 'last byte')
}

const make = (): Sample => async () => {
  const items = upTo(CELLS).map((n) => Object.assign(new LargeItem(), { bytes: bytesOf(n) }))
  return timed(CELLS, async () => void (await Promise.all(items.map((item) => item.makePersistent()))))
}

const load =
  (sets: Id[][]): Sample =>
  async () => {
    const ids = sets.pop()!
    return timed(CELLS, async () => {
      const items = (await getByID(...(ids as [Id, ...Id[]]))) as unknown[] as LargeItem[]
      items.forEach(({ bytes }, n) => {
        assertBytes(bytes, n)
      })
    })
  }

const storedSets = (field: Field, sets: number): Promise<Id[][]> =>
  field.program(async () => {
    const ids: Id[][] = []
    for (let set = 0; set < sets; set++) {
      const items = upTo(CELLS).map((n) => Object.assign(new LargeItem(), { bytes: bytesOf(n) }))
      await Promise.all(items.map((item) => item.makePersistent()))
      ids.push(items.map((item) => item.getID()!))
    }
    return ids
  })

const PUT = 'INSERT INTO chunk (id, n, data) VALUES (?, ?, ?)'
const GET = 'SELECT data FROM chunk WHERE id = ? AND n = ?'
const PER_CELL = MIB / CHUNK
const chunksOf = upTo(CELLS * PER_CELL)

const putAll = (field: Field, ids: readonly types.Uuid[], cells: readonly Uint8Array[]): Promise<void> =>
  atOnce(chunksOf, CHUNKS_AT_ONCE, (i) => {
    const [cell, n] = [Math.floor(i / PER_CELL), i % PER_CELL]
    return field.execute(PUT, [ids[cell], n, Buffer.from(cells[cell]!.subarray(n * CHUNK, (n + 1) * CHUNK))])
  })

const rawMake =
  (field: Field): Sample =>
  () => {
    const ids = upTo(CELLS).map(() => types.Uuid.random())
    const cells = upTo(CELLS).map(bytesOf)
    return timed(CELLS, () => putAll(field, ids, cells))
  }

const rawLoad =
  (field: Field): Sample =>
  async () => {
    const ids = upTo(CELLS).map(() => types.Uuid.random())
    await putAll(field, ids, upTo(CELLS).map(bytesOf))
    return timed(CELLS, async () => {
      const cells = upTo(CELLS).map(() => new Uint8Array(MIB))
      await atOnce(chunksOf, CHUNKS_AT_ONCE, async (i) => {
        const [cell, n] = [Math.floor(i / PER_CELL), i % PER_CELL]
        cells[cell]!.set((await field.execute(GET, [ids[cell], n])).rows[0]?.data as Buffer, n * CHUNK)
      })
      cells.forEach(assertBytes)
    })
  }

export async function largeCells(bench: Bench, field: Field): Promise<void> {
  const unit = 'MiB/s'
  await against(bench, field, { case: '1 MiB fields made', unit, ours: make() }, rawMake(field))
  const sets = await storedSets(field, bench.options.samples + 1)
  await against(bench, field, { case: '1 MiB fields loaded', unit, ours: load(sets) }, rawLoad(field))
}
