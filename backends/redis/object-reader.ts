import type { Cell, Ref, Stored } from '../../src/backend.js'
import { CorruptError } from '../../src/errors.js'
import type { Id } from '../../src/ids.js'
import { CellCache } from './cell-cache.js'
import type { NearCopies } from './near-copies.js'
import { damagedObject, type Opened, type Outside, openObject } from './object-form.js'
import { decodeCell, decodeLarge } from './redis-cells.js'
import { type Partition, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'
import { TurnQueue, together, type Waiting } from './turn-queue.js'

/** Objects read by one command: while a program takes some in, the server looks for the next. */
const KEYS_MAX = 250

/** What one command reads of large cells, unless one alone is more: a millisecond of the server. */
const READ_BYTES = 2 * 1024 * 1024

/** What one caller asked for. */
interface Job extends Waiting<readonly (Stored | undefined)[]> {
  readonly ids: readonly Id[]
  readonly found: (Stored | undefined)[]
  left: number
}

/** Reads of one turn and one domain travel in few commands. */
export class ObjectReader {
  readonly #queue = new TurnQueue<Job>((jobs) => this.#sendAll(jobs))
  readonly cache: CellCache
  /** Further copies, where there can be some. */
  copies?: NearCopies

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {
    this.cache = new CellCache(link.config.cacheBytes)
  }

  read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const ids = refs.map(({ id }) => id)
    if (ids.length === 0) return Promise.resolve([])
    return new Promise((resolve, reject) =>
      this.#queue.add({ ids, found: new Array(ids.length).fill(undefined), left: ids.length, resolve, reject }),
    )
  }

  #sendAll(jobs: readonly Job[]): Promise<unknown> {
    const sent: Promise<void>[] = []
    const batches = new Map<Partition, Batch>()
    for (const job of jobs) {
      for (let at = 0; at < job.ids.length; at++) {
        const domain = this.domainOf(partitionOfId(job.ids[at]!))
        let batch = batches.get(domain)
        if (!batch) batches.set(domain, (batch = new Batch(this, domain)))
        if (batch.add(job, at) < KEYS_MAX) continue
        sent.push(batch.send())
        batches.delete(domain)
      }
    }
    sent.push(...this.link.sendEach([...batches.values()], (batch) => batch.send()))
    return together(sent)
  }
}

/** What one command reads. */
class Batch {
  readonly #keys: string[] = []
  readonly #jobs: Job[] = []
  readonly #places: number[] = []

  constructor(
    readonly reader: ObjectReader,
    readonly domain: Partition,
  ) {}

  add(job: Job, at: number): number {
    this.#jobs.push(job)
    this.#places.push(at)
    return this.#keys.push(this.reader.keys.object(job.ids[at]!))
  }

  async send(): Promise<void> {
    try {
      const values = await this.reader.link.read(this.domain, this.#keys)
      for (let i = 0; i < values.length; i++) this.#answer(this.#jobs[i]!, this.#places[i]!, values[i]!)
    } catch (error) {
      for (const job of this.#jobs) job.reject(error)
    }
  }

  #answer(job: Job, at: number, value: Buffer | null): void {
    try {
      const opened = openObject(job.ids[at]!, value)
      if (opened && opened.outside.length > 0) void this.#fetch(job, at, opened)
      else this.#found(job, at, opened?.stored)
    } catch (error) {
      job.reject(error)
    }
  }

  #found(job: Job, at: number, stored: Stored | undefined): void {
    job.found[at] = stored
    if (--job.left === 0) job.resolve(job.found)
  }

  async #fetch(job: Job, at: number, opened: Opened): Promise<void> {
    try {
      this.#found(job, at, await whole(this.reader, this.domain, job.ids[at]!, opened))
    } catch (error) {
      job.reject(error)
    }
  }
}

/** An object with its large cells. They never change, so that all are of one moment; when one is gone, the object was written anew. */
async function whole(reader: ObjectReader, domain: Partition, id: Id, first: Opened): Promise<Stored | undefined> {
  const { link, keys } = reader
  for (let opened: Opened | undefined = first; ; ) {
    const { stored, outside }: Opened = opened
    const found = await largeCells(reader, domain, id, outside)
    if (found) return { ...stored, cells: new Map([...stored.cells, ...found]) }
    const [value] = await link.read(domain, [keys.object(id)])
    opened = openObject(id, value ?? null)
    if (!opened || opened.outside.length === 0) return opened?.stored
    if (opened.stored.stamp.commit === stored.stamp.commit && opened.outside.every(({ name }, i) => name === outside[i]?.name))
      throw new CorruptError(`object ${id} lacks a large field in Redis`, { id })
  }
}

type Field = readonly [name: string, cell: Cell]
type Asked = readonly [field: string, key: string, name: string, bytes: number]

/** From a copy that is near, as far as that has them, else from where the object lies. */
async function fetched(
  { link, copies }: ObjectReader,
  domain: Partition,
  id: Id,
  asked: readonly Asked[],
): Promise<readonly (Buffer | null)[]> {
  const parts = atOnce(asked)
  const near = copies && (await Promise.all(parts.map((part) => copies.read(id, part.map(nameIn)))))
  if (near?.every((cells) => cells !== undefined && !cells.includes(null))) return near.flatMap((cells) => cells ?? [])
  if (near?.some((cells) => cells?.includes(null))) copies!.renew(id)
  return (await Promise.all(parts.map((part) => link.read(domain, part.map(keyIn))))).flat()
}

const keyIn = ([, key]: Asked): string => key
const nameIn = ([, , name]: Asked): string => name

/** What one command reads: a server that copies tens of megabytes into one reply serves nobody else meanwhile. Cells never change, so that they may come apart. */
function atOnce(asked: readonly Asked[]): readonly (readonly Asked[])[] {
  const parts: Asked[][] = []
  let left = 0
  for (const one of asked) {
    const [, , , bytes] = one
    if (parts.length === 0 || bytes > left) {
      parts.push([])
      left = READ_BYTES
    }
    parts.at(-1)!.push(one)
    left -= bytes
  }
  return parts
}

/** Cells by field, from the cache where it has them; `undefined` when one is gone. */
async function largeCells(
  reader: ObjectReader,
  domain: Partition,
  id: Id,
  outside: readonly Outside[],
): Promise<readonly Field[] | undefined> {
  const { keys, cache } = reader
  const known: Field[] = []
  const asked: Asked[] = []
  for (const { field, name, bytes } of outside) {
    const key = keys.cell(id, name)
    const kept = cache.get(key)
    if (kept) known.push([field, decodeCell(kept)])
    else asked.push([field, key, name, bytes])
  }
  if (asked.length === 0) return known
  const values = await fetched(reader, domain, id, asked)
  for (const [i, [field, key, , bytes]] of asked.entries()) {
    const value = values[i]
    if (!value) return undefined
    if (value.length !== bytes) throw damagedObject(id, new Error(`field ${field} has ${value.length} bytes of ${bytes}`))
    cache.keep(key, value)
    known.push([field, decodeLarge(value)])
  }
  return known
}
