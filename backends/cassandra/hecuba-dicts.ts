/** Dicts that are attributes of Hecuba's objects: an attribute holds the id under which `istorage` notes the dict. */
import { v5 } from 'uuid'
import type { ColumnSpec, ColumnType, FieldSpec, Ref, Table } from '../../src/backend.js'
import { columnsText } from '../../src/dict/table-columns.js'
import { SchemaMismatchError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import type { DictCatalogue } from './dict-catalogue.js'
import { ISTORAGE, ownerOf, TYPES, typeOf } from './hecuba-layout.js'

type Pairs = readonly (readonly [name: string, type: string])[]

export class HecubaDicts {
  readonly #tables = new Map<string, Table>()

  constructor(
    readonly link: CassandraLink,
    readonly catalogue: DictCatalogue,
  ) {}

  async storageIdOf(id: TableId): Promise<string> {
    const { name } = await this.catalogue.require(id)
    return v5(`${this.link.config.keyspace}.${name}`, v5.DNS)
  }

  /** The dict of an id; one that Hecuba made is noted as a dict of `owner`. `undefined` when it is gone. Errors: SchemaMismatchError */
  async tableOf(storageId: string, field: FieldSpec, owner: Ref): Promise<Table | undefined> {
    const known = this.#tables.get(storageId)
    if (known && this.catalogue.known(known.id)) return known
    const [row] = await this.link.all(`SELECT * FROM ${ISTORAGE} WHERE storage_id = ?`, [storageId])
    if (!row) return undefined
    const ours = ownerOf(row)
    const table = ours === undefined ? await this.#adopt(storageId, row, field, owner) : (await this.catalogue.find(ours as TableId))?.table
    if (table) this.#tables.set(storageId, table)
    return table
  }

  async #adopt(storageId: string, row: Row, field: FieldSpec, owner: Ref): Promise<Table> {
    const { keyspace } = this.link.config
    const [of, name] = String(row.name).split('.')
    if (of !== keyspace || name === undefined) throw mismatch(field, `lies in ${String(row.name)}, outside of keyspace ${keyspace}`)
    return this.catalogue.adopt({ id: storageId as TableId, owner, ...columnsIn(row, field) }, name)
  }
}

/** What Hecuba notes, as the class declares it where that says the same: only the class knows what may be left out. */
function columnsIn(row: Row, field: FieldSpec): Pick<Table, 'keys' | 'partition' | 'values' | 'writes'> {
  const [keys, values] = [pairsOf(row.primary_keys), pairsOf(row.columns)]
  const ofSet = values.every(([name]) => name.startsWith('_set_'))
  const all: Pairs = ofSet ? [...keys, ...values.map(([name, type]) => [name.slice('_set_'.length), type] as const)] : keys
  const { columns } = field
  const specs = { keys: all.map((one) => specOf(one, field)), values: ofSet ? [] : values.map((one) => specOf(one, field)) }
  const stored = { ...specs, partition: 1, writes: 'lww' } as const
  if (!columns) return stored
  if (isSame(columns.keys, all) && isSame(columns.values, ofSet ? [] : values) && columns.partition === 1 && columns.writes === 'lww')
    return columns
  throw mismatch(field, `has other columns than its class declares: stored ${columnsText(stored)}; declared ${columnsText(columns)}`)
}

const isSame = (specs: readonly ColumnSpec[], pairs: Pairs): boolean =>
  specs.length === pairs.length && specs.every(({ name, type }, i) => name === pairs[i]![0] && typeOf(type) === pairs[i]![1])

const pairsOf = (list: unknown): Pairs =>
  ((list ?? []) as readonly { readonly elements: readonly [string, string] }[]).map(({ elements }) => elements)

const BY_NAME = new Map(Object.entries(TYPES).map(([type, name]) => [name, type as ColumnType]))

function specOf([name, text]: Pairs[number], field: FieldSpec): ColumnSpec {
  const parts = /^tuple<(.*)>$/.exec(text)?.[1]?.split(',')
  const types = (parts ?? [text]).map((one) => BY_NAME.get(one.trim()))
  if (types.includes(undefined)) throw mismatch(field, `has a column ${name} of ${text}, which insitu has no type for`)
  return { name, type: parts ? { tupleOf: types as ColumnType[] } : types[0]! }
}

const mismatch = (field: FieldSpec, what: string): Error =>
  new SchemaMismatchError(`The dict of field ${field.name} ${what}.`, { field: field.name })
