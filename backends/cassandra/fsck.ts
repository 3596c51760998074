/**
 * Looks at everything that a keyspace holds, while programs go on: whether it can be read, and what leads to nothing. Whether the nodes'
 * files and copies are sound is for the servers to say (nodetool verify, nodetool repair).
 */
import type { Ref } from '../../src/backend.js'
import { CorruptError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import { CassandraBackend } from './cassandra-backend.js'
import { configOf } from './cassandra-config.js'

export interface CassandraFinding {
  /** `record`: it cannot be read. `reference`: it leads to what is not there. */
  readonly kind: 'record' | 'reference'
  readonly what: string
  readonly how: string
}

export interface CassandraFsckReport {
  readonly damaged: number
  readonly dangling: number
  readonly records: { readonly objects: number; readonly names: number; readonly rows: number }
}

/** @throws UnavailableError, UnsupportedError: it cannot be checked */
export async function fsck(
  url: string,
  options: { readonly onFinding?: (finding: CassandraFinding) => void } = {},
): Promise<CassandraFsckReport> {
  const backend = new CassandraBackend(configOf(url))
  await backend.open()
  try {
    return await new Check(backend, options.onFinding ?? (() => {})).all()
  } finally {
    await backend.close()
  }
}

class Check {
  #damaged = 0
  #dangling = 0
  readonly #records = { objects: 0, names: 0, rows: 0 }

  constructor(
    readonly backend: CassandraBackend,
    readonly onFinding: (finding: CassandraFinding) => void,
  ) {}

  async all(): Promise<CassandraFsckReport> {
    for await (const page of this.backend.objects({})) for (const ref of page) await this.#object(ref)
    for await (const page of this.backend.aliases({ prefix: '' })) await this.#aliases(page)
    for await (const tables of this.backend.upkeep.tables()) for (const { id, owner } of tables) await this.#table(id, owner)
    return { damaged: this.#damaged, dangling: this.#dangling, records: this.#records }
  }

  #found(kind: CassandraFinding['kind'], what: string, how: string): void {
    if (kind === 'reference') this.#dangling++
    else this.#damaged++
    this.onFinding({ kind, what, how })
  }

  async #object(ref: Ref): Promise<void> {
    try {
      if ((await this.backend.read([ref]))[0]) this.#records.objects++
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      this.#found('record', `Object ${ref.id}`, error.message)
    }
  }

  async #aliases(page: readonly (readonly [string, Ref])[]): Promise<void> {
    const found = await this.backend.find(page.map(([, ref]) => ref.id))
    page.forEach(([alias, ref], i) => {
      this.#records.names++
      if (!found[i]) this.#found('reference', `Alias ${JSON.stringify(alias)}`, `object ${ref.id} is not there`)
    })
  }

  async #table(id: TableId, owner: Ref): Promise<void> {
    if ((await this.backend.find([owner.id]))[0] === undefined)
      this.#found('reference', `Table ${id}`, `its owner ${owner.id} is not there`)
    try {
      for await (const page of this.backend.scan({ in: id })) this.#records.rows += page.length
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      this.#found('record', `Table ${id}`, error.message)
    }
  }
}
