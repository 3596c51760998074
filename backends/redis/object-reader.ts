import { Ref, type Stored } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import { byDomain } from './by-domain.js'
import { intentOf, metaOf } from './group-form.js'
import { partsOf } from './netstrings.js'
import { decodeCell, nameOf } from './redis-cells.js'
import { type Partition, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink, Reply } from './redis-link.js'
import { TurnQueue, type Waiting } from './turn-queue.js'

/** Objects read by one script call: some hundred small ones take the server less than a millisecond. */
const KEYS_MAX = 128

interface Job extends Waiting<Stored | undefined> {
  readonly id: Id
}

/** Reads of one turn and one domain travel in one script call. */
export class ObjectReader {
  readonly #queue = new TurnQueue<Job>((jobs) => this.#sendAll(jobs))

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {}

  read(id: Id): Promise<Stored | undefined> {
    return new Promise((resolve, reject) => this.#queue.add({ id, resolve, reject }))
  }

  #sendAll(jobs: readonly Job[]): Promise<unknown> {
    const sent: Promise<void>[] = []
    const groups = byDomain(jobs, ({ id }) => this.domainOf(partitionOfId(id)))
    for (const [domain, list] of groups)
      for (let at = 0; at < list.length; at += KEYS_MAX) sent.push(this.#send(domain, list.slice(at, at + KEYS_MAX)))
    return Promise.all(sent)
  }

  async #send(domain: Partition, jobs: readonly Job[]): Promise<void> {
    try {
      const keys = jobs.map(({ id }) => this.keys.object(id))
      const replies = await this.link.call({ script: 'read', domain, keys, args: () => [] })
      jobs.forEach((job, i) => {
        answer(job, replies[i] as readonly Buffer[])
      })
    } catch (error) {
      for (const job of jobs) job.reject(error)
    }
  }
}

function answer(job: Job, fields: readonly Buffer[]): void {
  try {
    job.resolve(storedOf(job.id, fields))
  } catch (error) {
    job.reject(error)
  }
}

/** The hash of an object, as HGETALL gives it: fields and values in turn. */
export function storedOf(id: Id, fields: readonly Reply[]): Stored | undefined {
  let meta: Buffer | undefined
  let order: Buffer | undefined
  let intent: Buffer | undefined
  let bytes = 0
  const values = new Map<string, Buffer>()
  for (let i = 0; i < fields.length; i += 2) {
    const field = (fields[i] as Buffer).toString()
    const value = fields[i + 1] as Buffer
    if (field === '@') meta = value
    else if (field === '#') order = value
    else if (field === '!') intent = value
    else if (field !== '!r') {
      values.set(field, value)
      bytes += field.length + value.length
    }
  }
  if (!meta) return undefined
  const { stamp, classId } = metaOf(meta)
  const ref = new Ref(id, classId)
  return { ref, stamp, bytes: bytes + meta.length, cells: cellsOf(values, order), ...(intent && { intent: intentOf(intent) }) }
}

/** In the order in which the fields came; Redis itself keeps none. */
function cellsOf(values: ReadonlyMap<string, Buffer>, order: Buffer | undefined): Stored['cells'] {
  const cells = new Map<string, ReturnType<typeof decodeCell>>()
  for (const part of order ? partsOf(order) : []) {
    const field = part.toString()
    const value = values.get(field)
    if (value) cells.set(nameOf(field), decodeCell(value))
  }
  return cells
}
