/**
 * Plain writes of one turn of the event loop to one partition travel in one batch, whoever sends them: a batch of rows costs a server a
 * fifth of the rows alone. They may be done together or not, since each carries its own time.
 */
import type { CassandraLink, Statement } from './cassandra-link.js'

/** What one request holds: well below the 16 MiB that a server takes. */
const BATCH_ROWS = 5000
const BATCH_BYTES = 2 * 1024 * 1024

interface Job {
  readonly statements: readonly Statement[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class PartitionWriter {
  #waiting = new Map<string, Job[]>()

  constructor(readonly link: CassandraLink) {}

  write(partition: string, statements: readonly Statement[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) setImmediate(() => this.#send())
      const jobs = this.#waiting.get(partition)
      if (jobs) jobs.push({ statements, resolve, reject })
      else this.#waiting.set(partition, [{ statements, resolve, reject }])
    })
  }

  async writeNow(statements: readonly Statement[]): Promise<void> {
    if (statements.length === 1) return this.link.writeAll(statements)
    for (const batch of partsOf(statements)) await this.link.writeAll(batch)
  }

  #send(): void {
    const all = this.#waiting
    this.#waiting = new Map()
    for (const jobs of all.values()) for (const some of batchesOf(jobs)) this.#sendAll(some).catch(() => {}) // told to each job
  }

  async #sendAll(jobs: readonly Job[]): Promise<void> {
    try {
      for (const batch of partsOf(jobs.flatMap(({ statements }) => statements))) await this.link.writeAll(batch)
      for (const { resolve } of jobs) resolve()
    } catch (error) {
      // One of them may be to blame, and the others are none the worse for it.
      if (jobs.length > 1) await Promise.all(jobs.map((job) => this.#sendAll([job])))
      else jobs[0]!.reject(error)
    }
  }
}

/** Jobs are not torn, unless one alone is more than a batch takes. */
function* batchesOf(jobs: readonly Job[]): Generator<readonly Job[], void, void> {
  yield* cut(jobs, ({ statements }) => [statements.length, statements.reduce((sum, one) => sum + sizeOf(one), 0)])
}

const partsOf = (statements: readonly Statement[]): Generator<readonly Statement[], void, void> =>
  cut(statements, (one) => [1, sizeOf(one)])

function* cut<T>(items: readonly T[], weigh: (item: T) => readonly [rows: number, bytes: number]): Generator<readonly T[], void, void> {
  let part: T[] = []
  let [rows, bytes] = [0, 0]
  for (const item of items) {
    const [more, heavier] = weigh(item)
    if (part.length > 0 && (rows + more > BATCH_ROWS || bytes + heavier > BATCH_BYTES)) {
      yield part
      part = []
      rows = bytes = 0
    }
    part.push(item)
    rows += more
    bytes += heavier
  }
  if (part.length > 0) yield part
}

/** About so many bytes on the way. */
export function sizeOf({ params }: Statement): number {
  let bytes = 32
  for (const param of params) bytes += typeof param === 'string' || param instanceof Uint8Array ? param.length : 16
  return bytes
}
