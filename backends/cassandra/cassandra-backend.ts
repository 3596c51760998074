import type {
  Ack,
  Aggregates,
  Backend,
  Capabilities,
  Cell,
  Declared,
  Found,
  Group,
  Key,
  Location,
  Mark,
  Op,
  Piece,
  Places,
  Range,
  Receipt,
  Ref,
  Stored,
  StoredRow,
  Table,
  Upkeep,
} from '../../src/backend.js'
import { InsituError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import type { ClassId, CommitId, Domain, Id, TableId } from '../../src/ids.js'
import { markOf } from '../../src/mark-form.js'
import type { CassandraConfig } from './cassandra-config.js'
import { CassandraLink } from './cassandra-link.js'
import { CHUNKS, CHUNKS_COLUMNS, ChunkStore } from './chunk-store.js'
import { CLASSES, CLASSES_COLUMNS, ClassTables, FIELDS, FIELDS_COLUMNS } from './class-tables.js'
import { CounterFolder } from './counter-folder.js'
import { DICTS, DICTS_COLUMNS, DictCatalogue, SHAPES, SHAPES_COLUMNS } from './dict-catalogue.js'
import type { DictLayout } from './dict-layout.js'
import { fewAtOnce } from './few-at-once.js'
import { GroupSender } from './group-sender.js'
import { HECUBA_CLASSES, HECUBA_CLASSES_COLUMNS } from './hecuba-classes.js'
import { prepareHecuba } from './hecuba-layout.js'
import { HecubaObjects } from './hecuba-objects.js'
import { Listing } from './listing.js'
import { NAMES, NAMES_COLUMNS, NameIndex, OBJECTS, OBJECTS_COLUMNS } from './name-index.js'
import { ObjectMaker } from './object-maker.js'
import { ObjectReader } from './object-reader.js'
import { PartitionWriter } from './partition-writer.js'
import { PlaceReader } from './place-state.js'
import { ALIASES, ALIASES_COLUMNS, nameOfPlace, PART, type Place, placeOf } from './places.js'
import { Ring } from './ring.js'
import { RingPlaces } from './ring-places.js'
import { RowForms } from './row-forms.js'
import { RowReader } from './row-reader.js'
import { type RowOp, RowWriter } from './row-writer.js'
import { SchemaKeeper } from './schema-keeper.js'
import { factsOf, refuseAck, type ServerFacts } from './server-facts.js'
import { TogetherReader } from './together-reader.js'
import { CassandraUpkeep } from './upkeep.js'

const MIB = 1024 * 1024
/** Long enough for anybody who sends a group again; then a server forgets it by itself. */
const RECEIPTS_KEPT_S = 600
const READS_AT_ONCE = 256
/** What a batch holds that is not torn: see partition-writer.ts. */
const ROWS_AT_ONCE = { ops: 5000, bytes: 2 * MIB }
/** Five thousand take a server some seconds; twenty thousand it does not do before it gives up. */
const CAS_ROWS_MAX = 10_000
/** A server works on a batch of one partition with one thread, and takes the next one meanwhile. */
const GROUP_OPS_BEST = 1024
const META = 'insitu_meta'
const FORMAT = 'insitu cassandra 1'

/** The contract on a ring: docs/backends/cassandra.md has the tables. */
export class CassandraBackend implements Backend {
  readonly url: string
  readonly upkeep: Upkeep
  readonly aggregates: Aggregates
  /** Only on a ring of several nodes: one node is no choice. */
  places?: Places
  /** Only in `layout=hecuba`. */
  readonly declared?: Declared
  readonly #hecuba: HecubaObjects | undefined
  readonly #link: CassandraLink
  readonly #keeper: SchemaKeeper
  readonly #classes: ClassTables
  readonly #names: NameIndex
  readonly #places: PlaceReader
  readonly #sender: GroupSender
  readonly #objects: ObjectReader
  readonly #listing: Listing
  readonly #catalogue: DictCatalogue
  readonly #writer: RowWriter
  readonly #rows: RowReader
  #facts: ServerFacts = { acks: ['committed'], replication: 1, whyNotDurable: undefined }
  #opening: Promise<void> | undefined

  constructor(readonly config: CassandraConfig) {
    this.url = config.url
    this.#link = new CassandraLink(config)
    this.#keeper = new SchemaKeeper(this.#link)
    this.#classes = new ClassTables(this.#link, this.#keeper)
    this.#names = new NameIndex(this.#link)
    const chunks = new ChunkStore(this.#link)
    this.#places = new PlaceReader(this.#link, chunks)
    const ring = new Ring(this.#link)
    const writer = new PartitionWriter(this.#link, ring)
    const together = new TogetherReader(this.#link, ring)
    const largeClasses = new Set<string>()
    const maker = new ObjectMaker(this.#link, chunks, this.#names, writer, largeClasses)
    this.#sender = new GroupSender(this.#link, this.#classes, chunks, this.#places, this.#names, maker, largeClasses, RECEIPTS_KEPT_S)
    this.#objects = new ObjectReader(this.#classes, this.#places, this.#names, largeClasses, together)
    this.#listing = new Listing(this.#link, this.#classes, this.#names, this.#places, (home, keys) => this.marks(home, keys))
    this.#catalogue = new DictCatalogue(this.#link, this.#keeper)
    const forms = new RowForms(this.#link)
    this.#writer = new RowWriter(this.#link, forms, writer, RECEIPTS_KEPT_S)
    const folder = new CounterFolder(this.#link, forms, RECEIPTS_KEPT_S * 1000, (work) => this.#sender.track(work))
    this.#rows = new RowReader(this.#link, this.#catalogue, forms, folder, ring, together)
    this.aggregates = { aggregate: (range, by, ops) => this.#aggregate(range, by, ops) }
    if (config.layout === 'hecuba')
      this.#hecuba = new HecubaObjects(this.#link, this.#keeper, this.#catalogue, this.#places, this.#names, RECEIPTS_KEPT_S)
    if (this.#hecuba) this.declared = this.#hecuba
    this.upkeep = new CassandraUpkeep(this.#link, this.#classes, this.#catalogue, this.#places, this.#hecuba)
  }

  get capabilities(): Capabilities {
    return {
      acks: this.#facts.acks,
      groupBytesMax: 64 * MIB,
      rowBytesMax: 15 * MIB, // servers take 16 in one go, with what else belongs to it
      casRowsMax: CAS_ROWS_MAX,
      rowsAtOnce: ROWS_AT_ONCE,
      groupOpsBest: GROUP_OPS_BEST,
      loadsAcross: true,
      reservesRows: true,
      // Hecuba's objects have their names inside, of which no two intents may tell.
      sharesIntents: this.#hecuba === undefined,
      cellBytesMax: 64 * MIB,
      orderedScan: false,
      readsByIdAlone: true,
      receiptsKeptMs: RECEIPTS_KEPT_S * 1000,
      reach: 'network',
    }
  }

  open(signal?: AbortSignal): Promise<void> {
    this.#opening ??= this.#open(signal).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await this.#link.open()
    try {
      this.#facts = await factsOf(this.#link)
      if (this.config.layout === 'hecuba') await prepareHecuba(this.#link)
      await this.#keeper.makeOwn({
        [META]: 'name text PRIMARY KEY, value text',
        [OBJECTS]: OBJECTS_COLUMNS,
        [NAMES]: NAMES_COLUMNS,
        [ALIASES]: ALIASES_COLUMNS,
        [CHUNKS]: CHUNKS_COLUMNS,
        [FIELDS]: FIELDS_COLUMNS,
        [CLASSES]: CLASSES_COLUMNS,
        [DICTS]: DICTS_COLUMNS,
        [SHAPES]: SHAPES_COLUMNS,
        ...(this.#hecuba && { [HECUBA_CLASSES]: HECUBA_CLASSES_COLUMNS }),
      })
      await this.#requireFormat()
      this.#place()
      signal?.throwIfAborted()
    } catch (error) {
      await this.#link.close()
      throw error
    }
  }

  #place(): void {
    const { ring } = this.#rows
    const nodes = ring.near()
    if (nodes.length > 1) this.places = new RingPlaces(nodes, (id) => ring.ofId(id, 1).map(({ host }) => host))
  }

  async #requireFormat(): Promise<void> {
    const table = this.#link.table(META)
    const query = `SELECT value FROM ${table} WHERE name = 'format'`
    const [row] = await this.#link.all(query, [])
    if (!row) await this.#link.write(`INSERT INTO ${table} (name, value) VALUES ('format', ?) USING TIMESTAMP 1`, [FORMAT])
    else if (row.value !== FORMAT)
      throw new UnsupportedError(`${this.url} has format ${String(row.value)}, this version knows ${FORMAT}.`, {
        code: 'ERR_FORMAT_VERSION',
      })
  }

  async close(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    await opening?.catch(() => {})
    await this.#sender.idle()
    await this.#keeper.idle()
    if (this.#opening) return
    await this.#link.close()
  }

  domain(op: Op): Domain {
    const named = op.do === 'name' ? this.#hecuba?.ofName(op.alias, op.to ?? op.expect) : undefined
    return (named ? nameOfPlace({ kind: 'object', ref: named }) : domainOf(op)) as Domain
  }

  async commit(group: Group): Promise<Receipt> {
    this.#requireOpen()
    return this.#sender.track(this.#commit(group))
  }

  async #commit(group: Group): Promise<Receipt> {
    const [first] = group.ops
    if (!first) return { applied: true, stamps: new Map() }
    if (isRowOp(first)) return this.#commitRows(group)
    const ref = await this.#hecuba?.placeOf(group.ops)
    return ref ? this.#hecuba!.commit(group, ref) : this.#sender.send(group, placeOfAll(group))
  }

  async bar(group: Group): Promise<Receipt | undefined> {
    this.#requireOpen()
    return this.#sender.track(this.#bar(group))
  }

  async #bar(group: Group): Promise<Receipt | undefined> {
    const ref = await this.#hecuba?.placeOf(group.ops)
    return ref ? this.#hecuba!.bar(group, ref) : this.#sender.bar(group, placeOfAll(group))
  }

  async #commitRows(group: Group): Promise<Receipt> {
    const ops = group.ops.filter(isRowOp)
    if (ops.length < group.ops.length)
      throw new InsituError('A group of rows holds an op on something else: it must lie in one domain.', { code: 'ERR_INTERNAL' })
    const layouts = new Map<string, DictLayout>()
    for (const { table } of ops) if (!layouts.has(table)) layouts.set(table, await this.#catalogue.requireFor(table, ops))
    return this.#catalogue.standing([...layouts.values()], () => this.#writer.write(group, ops, layouts))
  }

  async flush(ack: Ack): Promise<void> {
    this.#requireOpen()
    if (!this.#facts.acks.includes(ack)) refuseAck(this.url, ack, this.#facts)
    await this.#sender.idle() // a commit is acknowledged at its consistency, so that nothing is left to wait for
  }

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    this.#requireOpen()
    return this.#hecuba ? fewAtOnce(refs, READS_AT_ONCE, (ref) => this.#readOne(ref, this.#hecuba!)) : this.#objects.read(refs)
  }

  async #readOne(ref: Ref, hecuba: HecubaObjects): Promise<Stored | undefined> {
    const found = await hecuba.read(ref)
    return found ? found.stored : (await this.#objects.read([ref]))[0]
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    this.#requireOpen()
    const found = await this.#hecuba?.marks(home, keys)
    if (found) return found
    const parts = await this.#parts(home, keys.map(PART.mark))
    return keys.map((key) => {
      const form = parts.get(PART.mark(key))
      return form ? markOf(key, form) : undefined
    })
  }

  async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    this.#requireOpen()
    const found = await this.#hecuba?.staged(home, commit)
    if (found) return found.redo
    const form = (await this.#parts(home, [PART.redo(commit)])).get(PART.redo(commit))
    return form ? this.#places.redoOf(form) : undefined
  }

  async #parts(home: Ref, names: readonly string[]): Promise<ReadonlyMap<string, Buffer | null>> {
    const known = await this.#classes.find(home.classId)
    return known ? this.#places.parts(known.table, { kind: 'object', ref: home }, names, true) : new Map()
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    this.#requireOpen()
    return Promise.all(what.map(async (one) => (await this.#hecuba?.find(one)) ?? this.#objects.find(one)))
  }

  async *objects(of: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    this.#requireOpen()
    if (this.#hecuba) for await (const page of this.#hecuba.all(of.classId)) if (page.length > 0) yield page.map(([, ref]) => ref)
    yield* this.#listing.objects(of.classId)
  }

  async *aliases(
    of: { readonly prefix?: string } | { readonly ref: Ref },
  ): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    this.#requireOpen()
    if ('ref' in of) {
      const named = await this.#hecuba?.aliasesOf(of.ref)
      if (named && named.length > 0) yield named
      if (!named) yield* this.#listing.aliasesOf(of.ref.id)
    } else {
      if (this.#hecuba) yield* this.#hecuba.aliases(of.prefix ?? '')
      yield* this.#listing.aliases(of.prefix ?? '')
    }
  }

  async define(table: Table, alias?: string): Promise<void> {
    this.#requireOpen()
    const isField = (await this.#hecuba?.classes.find(table.owner.classId)) !== undefined
    await this.#catalogue.define(table, alias, isField)
  }

  async table(id: TableId): Promise<Table | undefined> {
    this.#requireOpen()
    return (await this.#catalogue.find(id))?.table
  }

  async drop(table: TableId): Promise<void> {
    this.#requireOpen()
    await this.#sender.track(this.#catalogue.drop(table))
  }

  async rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    this.#requireOpen()
    return this.#rows.rows(table, keys)
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    this.#requireOpen()
    yield* this.#rows.scan(range, signal)
  }

  async #aggregate(...[range, by, ops]: Parameters<Aggregates['aggregate']>): Promise<readonly (readonly Cell[])[]> {
    this.#requireOpen()
    return this.#rows.aggregate(range, by, ops)
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    this.#requireOpen()
    return this.#rows.pieces(of, atLeast)
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    this.#requireOpen()
    return Promise.all(what.map((one) => ('id' in one ? this.#locateObject(one) : this.#rows.locate(one))))
  }

  async #locateObject(ref: Ref): Promise<readonly Location[]> {
    const [stored] = await this.read([ref])
    return stored ? this.#rows.ring.ofId(ref.id, stored.bytes) : []
  }

  /** By what scans of a whole table, and its pieces, are ordered. */
  async placing(of: TableId): Promise<((key: Key) => Uint8Array) | undefined> {
    this.#requireOpen()
    const layout = await this.#catalogue.require(of)
    return layout.place === undefined ? (key) => this.#rows.placeOf(layout, key) : undefined
  }

  #requireOpen(): void {
    if (!this.#opening) throw new UnavailableError(`${this.url} is closed.`, { code: 'ERR_CLOSED' })
  }
}

/** @throws InsituError when a group lies in several places, or in rows. */
function placeOfAll({ ops }: Group): Place {
  const [first] = ops as readonly [Op, ...Op[]]
  for (const op of ops)
    if (isRowOp(first) || isRowOp(op) || nameOfPlace(placeOf(op)) !== nameOfPlace(placeOf(first)))
      throw new InsituError(`A group lies in domains ${domainOf(first)} and ${domainOf(op)}: it must lie in one.`, { code: 'ERR_INTERNAL' })
  return placeOf(first as Exclude<Op, RowOp>)
}

const isRowOp = (op: Op): op is RowOp =>
  op.do === 'row' || op.do === 'checkRow' || op.do === 'add' || op.do === 'reserveRow' || op.do === 'settleRow'

/**
 * Each object is one, and each alias; of a table a partition, as far as the op says how many columns that has. Where it does not, what has
 * the same first key: that lies in few partitions, and need not be whole in all of them.
 */
function domainOf(op: Op): string {
  if (!isRowOp(op)) return nameOfPlace(placeOf(op))
  const { partition = 1 } = op as { partition?: number }
  const cells = op.key.slice(0, partition).map(textOf)
  return `t ${op.table} ${partition > 1 ? JSON.stringify(cells) : cells[0]}`
}

/** The table's columns are not known here; what sort of cell it is says enough to tell keys apart. */
function textOf(first: Key[number]): string {
  if (typeof first === 'string') return first
  if (first instanceof Uint8Array) return Buffer.from(first).toString('latin1')
  return first instanceof Date
    ? String(first.getTime())
    : JSON.stringify(first, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
