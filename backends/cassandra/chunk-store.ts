/** Large cells as rows of their own: each chunk a small partition, so that they spread over the ring and no request is near its limit. */
import { randomUUID } from 'node:crypto'
import { CorruptError } from '../../src/errors.js'
import type { CassandraLink } from './cassandra-link.js'
import { LARGE_BYTES, type Manifest } from './cell-forms.js'
import { Turnstile } from './turnstile.js'

export const CHUNKS = 'insitu_chunks'
export const CHUNKS_COLUMNS = 'chunks uuid, n int, data blob, PRIMARY KEY ((chunks, n))'

/** Of one cell; more at once would fill the server's memory with requests, and so would many cells. */
const AT_ONCE = 16
const AT_ONCE_OF_ALL = 32

export class ChunkStore {
  readonly #gate = new Turnstile(AT_ONCE_OF_ALL)

  constructor(readonly link: CassandraLink) {}

  /** Writes the chunks; nobody can find them before the manifest is written somewhere. */
  async keep(bytes: Uint8Array, form: Manifest['form']): Promise<Manifest> {
    const chunks = randomUUID()
    const count = Math.ceil(bytes.length / LARGE_BYTES)
    const query = `INSERT INTO ${this.link.table(CHUNKS)} (chunks, n, data) VALUES (?, ?, ?)`
    await eachOf(count, (n) => {
      const part = bytes.subarray(n * LARGE_BYTES, (n + 1) * LARGE_BYTES)
      return this.#gate.pass(() => this.link.write(query, [chunks, n, Buffer.from(part)]))
    })
    return { chunks, count, length: bytes.length, form }
  }

  /** `undefined` when they are gone: the object has another state by now. */
  async fetch({ chunks, count, length }: Manifest): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length)
    const query = `SELECT data FROM ${this.link.table(CHUNKS)} WHERE chunks = ? AND n = ?`
    let isWhole = true
    await eachOf(count, async (n) => {
      const [row] = await this.#gate.pass(() => this.link.all(query, [chunks, n]))
      const data = row?.data as Buffer | undefined
      if (!data) isWhole = false
      else if (n * LARGE_BYTES + data.length > length) throw new CorruptError('A large cell has more bytes than its manifest says.')
      else bytes.set(data, n * LARGE_BYTES)
    })
    return isWhole ? bytes : undefined
  }

  async drop({ chunks, count }: Manifest): Promise<void> {
    const query = `DELETE FROM ${this.link.table(CHUNKS)} WHERE chunks = ? AND n = ?`
    await eachOf(count, (n) => this.link.write(query, [chunks, n]))
  }
}

async function eachOf(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker))
}
