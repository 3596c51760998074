/**
 * Rows of many partitions by key, several to a request, since it is requests that cost servers and client. Each partition is read at the
 * consistency that it would be read at alone; of two no more is promised than of two reads side by side.
 */
import type { CassandraLink, Param, Row } from './cassandra-link.js'
import { fewAtOnce } from './few-at-once.js'
import { bytesOf } from './param-bytes.js'
import type { Ring } from './ring.js'

/** Of one request: a server reads them side by side, but answers when it has all. */
const KEYS_MAX = 16
/** What an answer should not be larger than, judged by the one before. */
const ANSWER_BYTES = 256 * 1024
const SHARES_AT_ONCE = 32

/** Fewer are not worth it. */
export const TOGETHER_FROM = 4

/** Behind a query of one row for each key: as many as a page holds are read side by side, more one after the other. */
export const IN_ONE_PAGE = `LIMIT ${KEYS_MAX}`

export interface Wanted {
  readonly param: Param
  /** The partition, as the ring takes it. */
  readonly key: () => Buffer
}

export class TogetherReader {
  /** By query, of the last answer. */
  readonly #rowBytes = new Map<string, number>()

  constructor(
    readonly link: CassandraLink,
    readonly ring: Pick<Ring, 'shares'>,
  ) {}

  /** `query` takes a list of keys, and gives a row for each that stands, in no order. `take` is awaited, so that no more is held than is read. */
  async read(query: string, wanted: readonly Wanted[], take: (rows: readonly Row[]) => unknown): Promise<void> {
    // How large rows are says the first.
    const alone = this.#rowBytes.has(query) ? 0 : 1
    if (alone > 0) await this.#ask(query, wanted.slice(0, alone), take)
    const shares = this.ring.shares(wanted.slice(alone), ({ key }) => key(), KEYS_MAX)
    await fewAtOnce(shares, SHARES_AT_ONCE, async (share) => {
      for (let at = 0; at < share.length; ) {
        const some = share.slice(at, at + this.#best(query))
        await this.#ask(query, some, take)
        at += some.length
      }
    })
  }

  #best(query: string): number {
    return Math.max(1, Math.min(KEYS_MAX, Math.floor(ANSWER_BYTES / (this.#rowBytes.get(query) ?? 1))))
  }

  async #ask(query: string, some: readonly Wanted[], take: (rows: readonly Row[]) => unknown): Promise<void> {
    if (some.length === 0) return
    // The driver does not see which partitions a list is of.
    const { rows } = await this.link.read(query, [some.map(({ param }) => param)], { routingKey: some[0]!.key() })
    if (rows.length > 0) this.#rowBytes.set(query, rows.reduce((sum, row) => sum + bytesOf(Object.values(row)), 0) / rows.length)
    await take(rows)
  }
}
