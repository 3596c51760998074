/**
 * Folds old shares of a counter into one. A share is known by the commit that added it, so that a commit that comes again adds nothing; once
 * it can come no more, its share needs no name of its own.
 *
 * The sum takes the place of the youngest share in it, so that a removal of the row still ends it: shares that are older than the removal. One
 * compare-and-set asks that every share in it stands as it was read: of two who fold the same shares the second changes nothing. What
 * the servers write carries their time, and would not prevail against a share that carries a program's later one: such a share is left alone.
 */
import type { Key } from '../../src/backend.js'
import { encodeKeyText } from '../../src/dict/row-key.js'
import { type CommitId, madeAtMs } from '../../src/ids.js'
import type { CassandraLink, Row, Statement } from './cassandra-link.js'
import type { DictLayout } from './dict-layout.js'
import { quoted } from './identifiers.js'
import type { RowForms } from './row-forms.js'

/** Fewer are left as they are. */
const FOLDED_FROM = 64
/** In one compare-and-set, which asks about each. */
const FOLDED_AT_ONCE = 200
/** Rows that wait for their turn; further ones are met again. */
const WAITING_MAX = 100
/** Behind the last moment at which a commit may come again, for clocks that differ. */
const MARGIN_MS = 5 * 60_000

interface Share {
  readonly commit: CommitId
  readonly by: bigint
  readonly writtenMicros: bigint
}

export class CounterFolder {
  readonly #waiting = new Map<string, { readonly layout: DictLayout; readonly key: Key }>()
  #working: Promise<void> | undefined

  /** `track` keeps `close` waiting for what is under way. */
  constructor(
    readonly link: CassandraLink,
    readonly forms: RowForms,
    readonly receiptsKeptMs: number,
    readonly track: (work: Promise<void>) => Promise<void>,
  ) {}

  /** Looks at a row that was read; what is to be folded is folded later, one row after the other. */
  look(layout: DictLayout, row: Row): void {
    for (const column of layout.counters) {
      const shares = row[layout.values[column]!.cql] as ReadonlyMap<unknown, bigint> | null | undefined
      if (!shares || shares.size < FOLDED_FROM || this.#waiting.size >= WAITING_MAX) continue
      if ([...shares.keys()].filter((commit) => this.#isOld(String(commit) as CommitId)).length < FOLDED_FROM) continue
      const key = this.forms.keyFrom(layout, row)
      this.#waiting.set(`${layout.table.id} ${encodeKeyText(layout.table, key)}`, { layout, key })
      this.#working ??= this.track(this.#work())
    }
  }

  #isOld(commit: CommitId): boolean {
    return madeAtMs(commit) < Date.now() - this.receiptsKeptMs - MARGIN_MS
  }

  async #work(): Promise<void> {
    try {
      for (const [name, { layout, key }] of this.#waiting) {
        for (const column of layout.counters) while ((await this.fold(layout, key, column)) === FOLDED_AT_ONCE);
        this.#waiting.delete(name)
      }
    } catch {
      this.#waiting.clear() // who meets the rows again tries again
    } finally {
      this.#working = undefined
    }
  }

  /** Resolves to how many shares became one; 0 when there was nothing to do, or somebody else was faster. */
  async fold(layout: DictLayout, key: Key, column: number): Promise<number> {
    const shares = await this.#oldShares(layout, key, column)
    const some = shares.slice(0, FOLDED_AT_ONCE)
    if (some.length < 2) return 0
    const applied = await this.link.cas(this.#statements(layout, key, column, some))
    return applied ? some.length : 0
  }

  /** Oldest first. */
  async #oldShares(layout: DictLayout, key: Key, column: number): Promise<readonly Share[]> {
    const name = quoted(layout.values[column]!.cql)
    const query = this.forms.selectOf(layout, `${name} AS shares, writetime(${name}) AS written`)
    const [row] = await this.link.all(query, this.forms.keyParams(layout, key), { consistency: 'serial' })
    const shares = [...((row?.shares as ReadonlyMap<unknown, bigint> | null | undefined) ?? [])]
    const written = (row?.written as readonly bigint[] | null | undefined) ?? []
    const isLate = BigInt(Date.now() - MARGIN_MS) * 1000n
    return shares
      .map(([commit, by], i): Share => ({ commit: String(commit) as CommitId, by, writtenMicros: written[i] ?? isLate }))
      .filter(({ commit, writtenMicros }) => this.#isOld(commit) && (layout.isCas || writtenMicros < isLate))
      .sort((a, b) => (a.commit < b.commit ? -1 : 1))
  }

  #statements(layout: DictLayout, key: Key, column: number, shares: readonly Share[]): readonly Statement[] {
    const table = this.link.table(layout.name)
    const name = quoted(layout.values[column]!.cql)
    const [where, params] = [this.forms.whereKey(layout), this.forms.keyParams(layout, key)]
    const sum = shares.reduce((all, { by }) => BigInt.asIntN(64, all + by), 0n)
    const others = shares.slice(0, -1).map(({ commit }) => commit)
    const asRead = shares.map(() => `${name}[?] = ?`).join(' AND ')
    return [
      {
        query: `UPDATE ${table} SET ${name}[?] = ? WHERE ${where} IF ${asRead}`,
        params: [shares.at(-1)!.commit, sum, ...params, ...shares.flatMap(({ commit, by }) => [commit, by])],
      },
      { query: `DELETE ${others.map(() => `${name}[?]`).join(', ')} FROM ${table} WHERE ${where}`, params: [...others, ...params] },
    ]
  }
}
