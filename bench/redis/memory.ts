/** What an object of 100 bytes takes of the server's memory, beside a plain hash under a key as long. */
import { StorageObject, transact } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { COUNT, type Field, inBatches, piped, textOf, upTo } from './field.js'

export class RedisMemo extends StorageObject {
  text = ''
}

async function usedBytes({ plain }: Field): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await plain.info('memory'))![1])
}

/** Bytes that each of COUNT things adds. */
const grown =
  (field: Field, fill: () => Promise<unknown>): Sample =>
  async () => {
    const before = await usedBytes(field)
    await fill()
    return ((await usedBytes(field)) - before) / COUNT
  }

const objects = (field: Field): Promise<void> =>
  field.program(async () => {
    const items = upTo(COUNT).map((n) => Object.assign(new RedisMemo(), { text: textOf(n) }))
    await inBatches(items, (batch) =>
      transact(async () => {
        for (const item of batch) await item.makePersistent()
      }),
    )
    mustEqual(items.filter((item) => item.getID() === null).length, 0, 'objects left out')
  })

const hashes = ({ plain }: Field, keys: readonly string[]): Promise<void> =>
  inBatches([...keys.entries()], (batch) => piped(plain, batch, (pipeline, [n, key]) => pipeline.hset(key, 'text', textOf(n))))

/** Receipts of ten minutes are in it. */
export const memory = (bench: Bench, field: Field): Promise<void> =>
  bench.contest({
    case: 'memory of an object of 100 bytes',
    unit: 'bytes',
    better: 'lower',
    ours: grown(field, () => objects(field)),
    rivals: { 'a plain hash': grown(field, () => hashes(field, field.keys(COUNT))) },
  })
