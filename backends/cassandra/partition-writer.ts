/**
 * Plain writes in as few requests as they take, since it is requests that cost servers and client, not rows. What comes in one turn of the
 * event loop to one partition travels in one batch, whoever sends it; small ones of several partitions travel together where the same
 * nodes hold these. They may be done together or not, since each carries its own time; what is of one partition is whole.
 */
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { isTableGone } from './cassandra-errors.js'
import type { CassandraLink, Statement } from './cassandra-link.js'
import { bytesOf } from './param-bytes.js'
import type { Ring } from './ring.js'

/** What one request holds of one partition. */
const BATCH_BYTES = 2 * 1024 * 1024
/**
 * The same of one group, which is to be whole: with all that surrounds values here, more than a group has that nothing else makes whole
 * (`rowsAtOnce`), and well below the 16 MiB that a server takes.
 */
const WHOLE_ROWS = 10_000
const WHOLE_BYTES = 8 * 1024 * 1024
/** Of what need not be whole: several requests of so many are done sooner than one of all. */
const PACK_ROWS = 1024
/** Of several: a server complains of more than 10 partitions, and of more than 5 KiB, which is a little more than is counted here. */
const PARTITIONS_MAX = 10
const ACROSS_BYTES = 4 * 1024

/** Writes of one partition. */
export interface Writes {
  /** By which it is told from others. */
  readonly partition: string
  /** Its key, as the ring takes it. */
  readonly key: () => Buffer
  readonly statements: readonly Statement[]
}

/** Writes, and who is told. */
export interface Errand extends Writes {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Job extends Errand {
  readonly bytes: number
}

/** Jobs of one partition that one request holds. */
interface Pack {
  readonly jobs: readonly Job[]
  readonly bytes: number
}

export class PartitionWriter {
  #waiting = new Map<string, Job[]>()

  constructor(
    readonly link: CassandraLink,
    readonly ring: Pick<Ring, 'shares'>,
  ) {}

  /** Together with what else comes in this turn. */
  write(writes: Writes): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) setImmediate(() => this.#leave())
      const job = jobOf({ ...writes, resolve, reject })
      const jobs = this.#waiting.get(job.partition)
      if (jobs) jobs.push(job)
      else this.#waiting.set(job.partition, [job])
    })
  }

  /** Now, and in one request if they fit into one: partitions of one share. */
  writeShare(share: readonly Writes[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = share.length
      const done = (): void => {
        if (--left === 0) resolve()
      }
      this.sendShare(share.map((writes) => ({ ...writes, resolve: done, reject }))).catch(reject)
    })
  }

  /** The same, each with its own outcome. Resolves when all are told. */
  async sendShare(share: readonly Errand[]): Promise<void> {
    const packs = share.map(jobOf).map((job) => ({ jobs: [job], bytes: job.bytes }))
    await Promise.all([...requestsOf(packs)].map((jobs) => this.#send(jobs)))
  }

  /** Partitions that may travel together. */
  sharesOf<T>(items: readonly T[], keyOf: (item: T) => Buffer): readonly (readonly T[])[] {
    return this.ring.shares(items, keyOf, PARTITIONS_MAX)
  }

  #leave(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting = new Map()
    try {
      const packs = waiting.flatMap((jobs) => [...packsOf(jobs)])
      for (const share of this.sharesOf(packs, ({ jobs }) => jobs[0]!.key()))
        for (const jobs of requestsOf(share)) this.#send(jobs).catch(() => {}) // which does not happen: each is told
    } catch (error) {
      for (const { reject } of waiting.flat()) reject(error) // nobody else would hear of it
    }
  }

  async #send(jobs: readonly Job[]): Promise<void> {
    try {
      for (const batch of batchesOf(jobs.flatMap(({ statements }) => statements))) await this.link.writeAll(batch)
      for (const { resolve } of jobs) resolve()
    } catch (error) {
      // One of them may be to blame, and the others are none the worse for it.
      if (jobs.length > 1 && !isOfAll(error)) await Promise.all(jobs.map((job) => this.#send([job])))
      else for (const { reject } of jobs) reject(error)
    }
  }
}

/** The servers did not answer, or not in time: they would not for each alone, and that has been waited for. */
const isOfAll = (error: unknown): boolean =>
  (error instanceof UnavailableError && !isTableGone(error)) || error instanceof UnknownOutcomeError

const jobOf = (errand: Errand): Job => ({ ...errand, bytes: errand.statements.reduce((sum, { params }) => sum + bytesOf(params), 0) })

/** Jobs are not torn, unless one alone is more than a batch takes. */
function* packsOf(jobs: readonly Job[]): Generator<Pack, void, void> {
  if (jobs.length === 1) return yield { jobs, bytes: jobs[0]!.bytes }
  for (const some of cut(jobs, ({ statements, bytes }) => [statements.length, bytes], PACK_ROWS, BATCH_BYTES))
    yield { jobs: some, bytes: some.reduce((sum, { bytes }) => sum + bytes, 0) }
}

function* requestsOf(share: readonly Pack[]): Generator<readonly Job[], void, void> {
  for (const packs of cut(share, ({ bytes }) => [1, bytes], PARTITIONS_MAX, ACROSS_BYTES)) yield packs.flatMap(({ jobs }) => jobs)
}

const batchesOf = (statements: readonly Statement[]): Iterable<readonly Statement[]> =>
  statements.length === 1 ? [statements] : cut(statements, ({ params }) => [1, bytesOf(params)], WHOLE_ROWS, WHOLE_BYTES)

/** In parts that have no more than so many and so many bytes, unless one alone has. */
function* cut<T>(
  items: readonly T[],
  weigh: (item: T) => readonly [count: number, bytes: number],
  countMax: number,
  bytesMax: number,
): Generator<readonly T[], void, void> {
  let part: T[] = []
  let [count, bytes] = [0, 0]
  for (const item of items) {
    const [more, heavier] = weigh(item)
    if (part.length > 0 && (count + more > countMax || bytes + heavier > bytesMax)) {
      yield part
      part = []
      count = bytes = 0
    }
    part.push(item)
    count += more
    bytes += heavier
  }
  if (part.length > 0) yield part
}
