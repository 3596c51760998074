/**
 * Dicts as Hecuba 2.1 keeps them (`?layout=hecuba`), so that its programs read and write the same rows: a table named after the dict, its
 * columns and no others, and a row in `hecuba.istorage` under the id that Hecuba makes of the name. What such a table cannot hold is
 * refused. The note about a dict is put if absent: so it also decides between programs that make one of the same name.
 */
import { v5 } from 'uuid'
import type { Cell, ColumnSpec, ColumnType, Key, Table, Values } from '../../src/backend.js'
import { AliasTakenError, SchemaMismatchError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import type { ClassId, TableId } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { keyText } from './places.js'

export const TYPES: Readonly<Record<string, string>> = {
  text: 'text',
  bool: 'boolean',
  i32: 'int',
  i64: 'bigint',
  f32: 'float',
  f64: 'double',
  blob: 'blob',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp',
}
/** Hecuba writes names without quotes: what CQL would fold or take for a word of its own is none. */
const NAME = /^[a-z][a-z0-9_]{0,47}$/
export const isHecubaName = (name: string): boolean => NAME.test(name) && !RESERVED.has(name)
const RESERVED = new Set(
  `add allow alter and apply asc authorize batch begin by columnfamily create default delete desc describe drop entries execute from full grant if in
  index infinity insert into is keyspace limit materialized mbean mbeans modify nan norecursive not null of on or order primary rename replace revoke
  schema select set table to token truncate unlogged unset update use using view where with`.split(/\s+/),
)
export const ISTORAGE = 'hecuba.istorage'
const TOKEN_ENDS = [-(2n ** 63n), 2n ** 63n - 1n] as const

/** Of dicts that are attributes of objects. */
const DICT_CLASS = 'hecuba.hdict.StorageDict'

const SCHEMA = [
  `CREATE TYPE IF NOT EXISTS hecuba.q_meta (mem_filter text, from_point frozen<list<double>>, to_point frozen<list<double>>, precision float)`,
  `CREATE TYPE IF NOT EXISTS hecuba.np_meta (flags int, elem_size int, partition_type tinyint, dims list<int>, strides list<int>, typekind text, byteorder text)`,
  `CREATE TABLE IF NOT EXISTS ${ISTORAGE} (storage_id uuid PRIMARY KEY, class_name text, name text, istorage_props map<text, text>,
    tokens list<frozen<tuple<bigint, bigint>>>, indexed_on list<text>, qbeast_random text, qbeast_meta frozen<q_meta>, numpy_meta frozen<np_meta>,
    block_id int, base_numpy uuid, view_serialization blob, primary_keys list<frozen<tuple<text, text>>>, columns list<frozen<tuple<text, text>>>)`,
]

/** Makes what Hecuba makes when it starts, but for keyspaces: how many copies there are is not for a program to guess. */
export async function prepareHecuba(link: CassandraLink): Promise<void> {
  const { keyspace, url } = link.config
  if (!NAME.test(keyspace) || keyspace === 'hecuba')
    throw cannot(`keyspace ${keyspace} is not one that Hecuba can have: lower case, not hecuba itself`)
  const [found] = await link.ofNode('SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?', ['hecuba'])
  const statement = `CREATE KEYSPACE hecuba WITH replication = {'class': 'NetworkTopologyStrategy', '${link.dataCentre}': 3}`
  if (!found)
    throw new UnavailableError(
      `${url}: layout=hecuba needs Hecuba's own keyspace; make it, with as many copies as you want: ${statement}`,
      {
        code: 'ERR_NO_KEYSPACE',
        statement,
      },
    )
  const [table] = await link.ofNode(
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'hecuba' AND table_name = 'istorage'",
  )
  if (!table) for (const one of SCHEMA) await link.define(one)
}

/** The name of the table that a dict is to have; its note stands, and is of this dict or of one that Hecuba made. */
export async function claimHecuba(link: CassandraLink, table: Table, alias: string | undefined, isField: boolean): Promise<string> {
  requireHolds(table)
  const name = nameOf(table.id, alias, link.config.keyspace)
  const full = `${link.config.keyspace}.${name}`
  const id = v5(full, v5.DNS)
  const { Tuple } = link.driver.types
  const pairs = (some: readonly ColumnSpec[]): unknown[] => some.map((column) => new Tuple(column.name, typeOf(column.type)))
  const { keys, columns } = notedColumns(table)
  const query = `INSERT INTO ${ISTORAGE} (storage_id, class_name, name, istorage_props, tokens, primary_keys, columns) VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS`
  const params = [
    id,
    isField ? DICT_CLASS : pythonPath(table.owner.classId),
    full,
    new Map([['insitu', table.id]]),
    ringOf(link).map(([from, to]) => new Tuple(from, to)),
    pairs(keys),
    pairs(columns),
  ]
  await link.cas([{ query, params }]) // whether it was ours or not, what stands is what counts
  const [row] = await link.all(`SELECT istorage_props, primary_keys, columns FROM ${ISTORAGE} WHERE storage_id = ?`, [id], {
    consistency: 'serial',
  })
  if (!row) throw link.unknownOutcome()
  const owner = ownerOf(row)
  if (owner !== undefined && owner !== table.id)
    throw new AliasTakenError(`Hecuba's name ${full} is that of another dict here; names differ by more than their case there.`, {
      alias: name,
    })
  requireSame(full, row, table)
  return name
}

/** Forgets a dict: true when its table is to go with it, false when it is Hecuba's own, or another's. */
export async function releaseHecuba(link: CassandraLink, name: string, id: TableId): Promise<boolean> {
  const storageId = v5(`${link.config.keyspace}.${name}`, v5.DNS)
  const [row] = await link.all(`SELECT istorage_props FROM ${ISTORAGE} WHERE storage_id = ?`, [storageId], { consistency: 'serial' })
  return row !== undefined && ownerOf(row) === id
}

export async function forgetHecuba(link: CassandraLink, name: string): Promise<void> {
  await link.cas([
    { query: `DELETE FROM ${ISTORAGE} WHERE storage_id = ? IF EXISTS`, params: [v5(`${link.config.keyspace}.${name}`, v5.DNS)] },
  ])
}

export const ownerOf = ({ istorage_props: props }: Row): string | undefined =>
  (props as ReadonlyMap<string, string> | null | undefined)?.get('insitu')

/**
 * What Hecuba notes of a table. A dict without values is one of embedded sets, which have a row for each element: the last key column is
 * theirs, or the last ones where they are numbered (`tag_0`, `tag_1`: a set of tuples).
 */
function notedColumns({ keys, values }: Table): { readonly keys: readonly ColumnSpec[]; readonly columns: readonly ColumnSpec[] } {
  if (values.length > 0) return { keys, columns: values }
  const ofSet = elementColumns(keys)
  const columns = keys.slice(-ofSet).map((column) => ({ ...column, name: `_set_${column.name}` }))
  return { keys: keys.slice(0, -ofSet), columns }
}

/** How many of the last columns are one element. */
function elementColumns(keys: readonly ColumnSpec[]): number {
  const [, name, last] = /^(.+)_(\d)$/.exec(keys.at(-1)!.name) ?? []
  const count = Number(last) + 1
  const isTuple = count > 1 && count < keys.length && keys.slice(-count).every((column, i) => column.name === `${name}_${i}`)
  return isTuple ? count : 1
}

function requireSame(full: string, row: Row, table: Table): void {
  const { keys, columns } = notedColumns(table)
  const stored = [row.primary_keys, row.columns].map((list) =>
    ((list ?? []) as readonly { readonly elements: readonly string[] }[]).map(({ elements }) => elements.join(': ')).join(', '),
  )
  const wanted = [keys, columns].map((some) => some.map(({ name, type }) => `${name}: ${typeOf(type)}`).join(', '))
  if (String(stored) === String(wanted)) return
  throw new SchemaMismatchError(`Hecuba's ${full} stands with other columns: stored ${stored.join(' → ')}; wanted ${wanted.join(' → ')}.`, {
    table: table.id,
    stored,
    wanted,
  })
}

/** Hecuba's ranges: from one token to the next, over the ends of the ring cut in two. */
export function ringOf(link: CassandraLink): readonly (readonly [bigint, bigint])[] {
  const ends = [...link.client.metadata.getTokenRanges()].map(({ end }) => BigInt(String(end.getValue()))).sort((a, b) => (a < b ? -1 : 1))
  const all = [TOKEN_ENDS[0], ...ends.filter((token) => token > TOKEN_ENDS[0]), TOKEN_ENDS[1]]
  return all.slice(1).map((token, i) => [all[i]!, token])
}

/** `shop/model#Order` is `shop.model.Order` to Python. */
export const pythonPath = (classId: ClassId): string => classId.replace(/\.[jt]s(?=#|$)/, '').replace(/[#/\\]+/g, '.')

/** A dict that has no name gets one that nobody looks for, as Hecuba's nested ones. */
function nameOf(id: TableId, alias: string | undefined, keyspace: string): string {
  const text = (alias ?? `d${id.replaceAll('-', '_')}`).toLowerCase()
  const name = text.startsWith(`${keyspace}.`) ? text.slice(keyspace.length + 1) : text
  if (isHecubaName(name)) return name
  throw cannot(`the name ${JSON.stringify(alias)}: a table has up to 48 letters, digits and underscores, and is in this keyspace`)
}

function requireHolds({ keys, values, partition, writes }: Table): void {
  if (partition !== 1) throw cannot('a partition of several columns: Hecuba has the first key alone')
  if (writes !== 'lww') throw cannot(`writes '${writes}': Hecuba's programs would not know`)
  if (values.length === 0) requireSets(keys)
  for (const { name, type } of [...keys, ...values]) {
    if (!isHecubaName(name)) throw cannot(`a column named ${name}: lower case letters, digits and underscores, no word of CQL`)
    typeOf(type)
  }
}

function requireSets(keys: readonly ColumnSpec[]): void {
  if (keys.length < 2) throw cannot('a dict of one key and no values: a set in it has a key, and elements')
  const { name, type } = keys.at(-1)!
  if (typeof type !== 'string')
    throw cannot(`sets of tuples in one column: declare a key column for each part, ${name}_0, ${name}_1, … in a dict without values`)
}

export function typeOf(type: ColumnType): string {
  if (typeof type === 'object' && 'tupleOf' in type && type.tupleOf.every((of) => typeof of === 'string'))
    return `tuple<${type.tupleOf.map(typeOf).join(',')}>`
  const found = typeof type === 'string' ? TYPES[type] : undefined
  if (found === undefined) throw cannot(`a column of ${JSON.stringify(type)}; it has ${Object.keys(TYPES).join(', ')} and tuples of them`)
  return found
}

/** A row that would come back as another one is refused. @throws ValidationError */
export function requireHecubaRow({ values: columns }: Table, [first]: Key, set: Values | null): void {
  if (isEmptyKey(first!)) throw new ValidationError('Hecuba has no empty first key.', { code: 'ERR_HECUBA_LAYOUT' })
  set?.forEach((cell, i) => {
    if (cell === null)
      throw new ValidationError(`Column ${columns[i]?.name}: Hecuba knows no difference between null and not set; leave it out.`, {
        code: 'ERR_HECUBA_LAYOUT',
        path: columns[i]?.name,
      })
  })
}

const isEmptyKey = (cell: Cell): boolean =>
  typeof cell === 'string' ? keyText(cell) !== cell : cell instanceof Uint8Array && cell.every((byte) => byte === 0)

export const cannot = (what: string): UnsupportedError =>
  new UnsupportedError(`Hecuba's layout cannot hold ${what}.`, { code: 'ERR_HECUBA_LAYOUT' })
