import type {
  Ack,
  Aggregates,
  Backend,
  Capabilities,
  Cell,
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
  Stored,
  StoredRow,
  Streams,
  Table,
} from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { decodeWire } from '../../src/codec/wire.js'
import { InsituError, NotFoundError, UnavailableError } from '../../src/errors.js'
import type { ClassId, CommitId, Domain, Host, Id, TableId } from '../../src/ids.js'
import { chunksIn } from '../../src/large-cells.js'
import { markOf } from '../../src/mark-form.js'
import { Acknowledgement } from './acknowledgement.js'
import { byDomain, chunks } from './by-domain.js'
import { ClusterPlaces } from './cluster-places.js'
import { requireFormat } from './format.js'
import { namesIn, refOf } from './group-form.js'
import { GroupSender } from './group-sender.js'
import { askInPages, askWhatIs } from './in-pages.js'
import { Listing } from './listing.js'
import { Locations } from './locations.js'
import { NearCopies } from './near-copies.js'
import { intentOf, metaOf } from './object-form.js'
import { ObjectReader } from './object-reader.js'
import { partitionOf, partitionOfTarget, type TablePart, tablesIn } from './op-partition.js'
import { isCluster } from './redis-client.js'
import type { RedisConfig } from './redis-config.js'
import { type Partition, partitionOfId, RedisKeys } from './redis-keys.js'
import { RECEIPTS_KEPT_MS, RedisLink, type Reply } from './redis-link.js'
import { RedisStreams } from './redis-streams.js'
import { acksOf, factsOf, requireUsable } from './server-facts.js'
import { TableKeeper } from './table-keeper.js'
import { TableReader } from './table-reader.js'
import { RedisUpkeep } from './upkeep.js'
import { Watching } from './watching.js'

/** Two milliseconds of a script, if all are changes. */
const GROUP_OPS_BEST = 256
/** What one script call looks at, of anything that is quick to look at. */
const KEYS_MAX = 256

/** A server has one domain, a Cluster one for each partition. */
const WHOLE: Partition = 0

/** The contract on Redis: docs/backends/redis.md has the layout. */
export class RedisBackend implements Backend {
  readonly url: string
  readonly keys: RedisKeys
  readonly aggregates: Aggregates
  readonly streams: Streams
  readonly watcher: Watching
  readonly upkeep: RedisUpkeep
  /** Of a Cluster, once it is open. */
  places?: Places
  replicas?: NearCopies
  /** By which pieces of dicts that are spread say whether they hold a key: of a Cluster. */
  placing?: NonNullable<Backend['placing']>
  readonly #link: RedisLink
  readonly #sender: GroupSender
  readonly #reader: ObjectReader
  readonly #tables: TableKeeper
  readonly #rows: TableReader
  readonly #listing: Listing
  readonly #locations: Locations
  readonly #acknowledgement: Acknowledgement
  readonly #isCluster: boolean
  readonly #dropping = new Set<Promise<void>>()
  #opening: Promise<void> | undefined
  #acks: readonly Ack[] = ['committed']

  constructor(readonly config: RedisConfig) {
    this.url = config.url
    this.keys = new RedisKeys(config.namespace)
    this.#isCluster = config.kind === 'cluster'
    const domainOf = (partition: Partition): Partition => this.#domainOf(partition)
    this.#link = new RedisLink(config, this.keys)
    this.#sender = new GroupSender(this.#link, this.keys, this.#isCluster)
    this.#reader = new ObjectReader(this.#link, this.keys, domainOf)
    this.#listing = new Listing(this.#link, this.keys, domainOf)
    this.#locations = new Locations(this.#link)
    this.#tables = new TableKeeper(this.#link, this.keys, domainOf, this.#isCluster)
    const locationsOf = (partition: Partition, bytes: number): readonly Location[] => this.#locations.of(partition, bytes)
    this.#rows = new TableReader(this.#link, this.keys, domainOf, this.#tables, locationsOf)
    this.streams = new RedisStreams(this.#link, this.keys, domainOf)
    this.upkeep = new RedisUpkeep(this.#link, this.keys, domainOf)
    this.watcher = new Watching(this.#link, this.keys, domainOf)
    this.aggregates = { aggregate: (range, by, ops) => this.#aggregate(range, by, ops) }
    this.#acknowledgement = new Acknowledgement(this.#link, this.keys)
    if (this.#isCluster) this.placing = (table) => this.#rows.placing(table)
  }

  get capabilities(): Capabilities {
    return {
      acks: this.#acks,
      groupOpsBest: GROUP_OPS_BEST,
      ...this.#link.room.limits,
      orderedScan: true,
      readsByIdAlone: true,
      receiptsKeptMs: RECEIPTS_KEPT_MS,
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
    await this.#link.open(signal)
    try {
      const servers = await this.#link.command(() => Promise.all(this.#link.masters().map(factsOf)))
      for (const facts of servers) requireUsable(this.config, facts)
      this.#acks = acksOf(servers)
      this.#link.room.learn(servers)
      this.#acknowledgement.learn(this.#acks, servers)
      this.#locations.learn(servers)
      const { client } = this.#link
      if (isCluster(client)) this.#keepCopies(new ClusterPlaces((slot) => client.slots[slot], this.config.dictParts))
      await requireFormat(this.#link, this.keys)
      await this.#requirePermissions()
    } catch (error) {
      this.#link.close()
      throw error
    }
  }

  /** Copies lie on other masters: a single server has none. */
  #keepCopies(places: ClusterPlaces): void {
    const partsOf = async (ref: Ref): Promise<readonly Ref[]> => {
      const [stored] = await this.#reader.read([ref])
      return stored ? chunksIn(stored.cells) : []
    }
    this.replicas = new NearCopies(this.#link, this.keys, places, partsOf)
    places.copies = this.replicas
    this.#reader.copies = this.replicas
    this.places = places
  }

  async #requirePermissions(): Promise<void> {
    const keys = [`${this.keys.sequence(WHOLE)}:probe`]
    const forbidden = await this.#link.call({ script: 'probe', domain: WHOLE, keys, args: () => [] })
    if (forbidden.length > 0)
      throw new UnavailableError(
        `${this.url}: the user may not run ${forbidden.map(String).join(', ')}, or the server has them renamed; docs/backends/redis.md lists the rules of its ACL`,
        { code: 'ERR_STORE_ACCESS', commands: forbidden.map(String) },
      )
  }

  async close(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    await opening?.catch(() => {})
    await this.#sender.idle()
    await Promise.all(this.#dropping)
    if (this.#opening) return
    this.#acknowledgement.close()
    this.watcher.close()
    this.#reader.cache.clear()
    this.#link.close()
  }

  domain(op: Op): Domain {
    return String(this.#isCluster ? partitionOf(op) : WHOLE) as Domain
  }

  commit(group: Group): Promise<Receipt> {
    const sent = this.#commit(group)
    const { replicas } = this
    if (replicas) sent.then(({ applied }) => applied && this.#dropCopies(replicas, group.ops)).catch(() => {})
    return sent
  }

  async bar(group: Group): Promise<Receipt | undefined> {
    this.#requireOpen()
    return this.#sender.bar(group, this.#domainOfGroup(group))
  }

  /** Of objects that are gone; nobody waits for it but the end. */
  #dropCopies(copies: NearCopies, ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.do !== 'remove') continue
      const dropping = copies.dropAll(op.ref.id).catch(() => {})
      this.#dropping.add(dropping)
      void dropping.then(() => this.#dropping.delete(dropping))
    }
  }

  async #commit(group: Group): Promise<Receipt> {
    this.#requireOpen()
    const domain = this.#domainOfGroup(group)
    const parts = tablesIn(group.ops)
    if (this.#isCluster) await this.#hint(group.ops)
    const needed = this.#tables.require(parts)
    try {
      return await this.#sender.send(group, domain, needed instanceof Promise ? await needed : needed)
    } catch (error) {
      if (!(error instanceof NotFoundError) || !(await this.#standAgain(parts))) throw error
      return this.#sender.send(group, domain, await this.#tables.require(parts))
    }
  }

  /** Whether all tables stand after all: one was dropped and made anew by somebody else. */
  async #standAgain(parts: readonly TablePart[]): Promise<boolean> {
    const ids = new Set(parts.map(({ table }) => table))
    for (const id of ids) this.#tables.forget(id)
    const found = await Promise.all([...ids].map((id) => this.#tables.table(id)))
    return found.every((table) => table !== undefined)
  }

  /** Leads from objects to the names that they get, in another slot: first, so that there is no name without. */
  async #hint(ops: readonly Op[]): Promise<void> {
    const names = ops.flatMap(namesIn)
    await Promise.all(names.map(({ alias, to }) => this.#link.command((client) => client.sadd(this.keys.hints(to.id), alias))))
  }

  async flush(ack: Ack): Promise<void> {
    this.#requireOpen()
    await this.#sender.idle()
    await this.#acknowledgement.wait(ack)
  }

  read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return this.#opening ? this.#reader.read(refs) : Promise.reject(this.#closed())
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    this.#requireOpen()
    const found: (Mark | undefined)[] = []
    for (const part of chunks(keys, KEYS_MAX)) {
      const forms = await this.#fields(this.keys.marks(home.id), partitionOfId(home.id), part)
      forms.forEach((form, i) => {
        found.push(form ? markOf(part[i]!, form) : undefined)
      })
    }
    return found
  }

  async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    this.#requireOpen()
    const [redo] = await this.#fields(this.keys.staged(home.id), partitionOfId(home.id), [commit])
    return redo ? (decodeWire(Uint8Array.from(redo)) as readonly Op[]) : undefined
  }

  async #fields(key: string, partition: Partition, fields: readonly string[]): Promise<readonly (Buffer | null)[]> {
    const [values] = await this.#link.call({ script: 'read', domain: this.#domainOf(partition), keys: [key], args: () => fields })
    return values as readonly (Buffer | null)[]
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    this.#requireOpen()
    const found: (Found | undefined)[] = new Array(what.length).fill(undefined)
    const ask = async (domain: Partition, at: readonly number[]): Promise<void> => {
      const keys = at.map((i) => this.#keyOf(what[i]!))
      const kinds = at.map((i) => (typeof what[i] === 'string' ? 'o' : 'a')).join('')
      const replies = await askWhatIs(this.#link, domain, keys, kinds)
      for (const [n, i] of at.entries()) found[i] = foundOf(what[i]!, replies[n] as readonly (Buffer | null)[])
    }
    const groups = byDomain(what.keys(), (i) => this.#domainOf(partitionOfTarget(what[i]!)))
    await this.#link.askEach(groups, KEYS_MAX, ask)
    return found
  }

  #keyOf(what: Id | { readonly alias: string }): string {
    return typeof what === 'string' ? this.keys.object(what) : this.keys.alias(what.alias)
  }

  async *objects(of: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    this.#requireOpen()
    yield* this.#listing.objects(of.classId)
  }

  async *aliases(
    of: { readonly prefix?: string } | { readonly ref: Ref },
  ): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    this.#requireOpen()
    if ('ref' in of) yield* this.#listing.aliasesOf(of.ref.id)
    else yield* this.#listing.aliases(of.prefix ?? '')
  }

  async define(table: Table): Promise<void> {
    this.#requireOpen()
    await this.#tables.define(table)
  }

  async table(id: TableId): Promise<Table | undefined> {
    this.#requireOpen()
    const known = await this.#tables.table(id)
    return known && structuredCopy(known.table)
  }

  async drop(table: TableId): Promise<void> {
    this.#requireOpen()
    await this.#tables.drop(table)
  }

  async rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    this.#requireOpen()
    return this.#rows.rows(table, keys)
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    this.#requireOpen()
    yield* this.#rows.scan(range, signal)
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    this.#requireOpen()
    return this.#rows.pieces(of, atLeast)
  }

  async #aggregate(...[range, by, ops]: Parameters<Aggregates['aggregate']>): Promise<readonly (readonly Cell[])[]> {
    this.#requireOpen()
    return this.#rows.aggregate(range, by, ops)
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    this.#requireOpen()
    const refs = what.filter((one): one is Ref => 'id' in one)
    const sizes = await this.#sizes(refs)
    return Promise.all(
      what.map(async (one) => ('id' in one ? this.#placesOf(one, sizes.get(one.id)) : ((await this.#rows.locate(one)) ?? []))),
    )
  }

  #placesOf({ id }: Ref, bytes: number | undefined): readonly Location[] {
    if (bytes === undefined) return []
    const own = this.#locations.of(partitionOfId(id), bytes)
    const copies = (this.replicas?.holdersOf(id) ?? []).filter((host) => !own.some((one) => one.host === host))
    return [...own, ...copies.map((host): Location => ({ host, bytes, role: 'copy' }))]
  }

  async #sizes(refs: readonly Ref[]): Promise<ReadonlyMap<Id, number>> {
    const sizes = new Map<Id, number>()
    const ask = async (domain: Partition, part: readonly Ref[]): Promise<void> => {
      const objects = part.map(({ id }) => this.keys.object(id))
      const replies = await askInPages(this.#link, 'sizes', domain, objects, () => (this.replicas ? 1 : 0))
      part.forEach(({ id }, i) => {
        const [bytes, ...holders] = replies[i] as readonly Reply[]
        if (Number(bytes) > 0) sizes.set(id, Number(bytes))
        this.replicas?.note(id, holders.map(String) as Host[])
      })
    }
    const groups = byDomain(refs, ({ id }) => this.#domainOf(partitionOfId(id)))
    await this.#link.askEach(groups, KEYS_MAX, ask)
    return sizes
  }

  #domainOf(partition: Partition): Partition {
    return this.#isCluster ? partition : WHOLE
  }

  #domainOfGroup({ ops }: Group): Partition {
    const domain = ops.length === 0 ? WHOLE : this.#domainOf(partitionOf(ops[0]!))
    if (this.#isCluster)
      for (const op of ops)
        if (partitionOf(op) !== domain)
          throw new InsituError(`A group lies in domains ${domain} and ${partitionOf(op)}: it must lie in one.`, { code: 'ERR_INTERNAL' })
    return domain
  }

  #requireOpen(): void {
    if (!this.#opening) throw this.#closed()
  }

  #closed(): UnavailableError {
    return new UnavailableError(`${this.url} is closed.`, { code: 'ERR_CLOSED' })
  }
}

function foundOf(what: Id | { readonly alias: string }, [meta, intent]: readonly (Buffer | null)[]): Found | undefined {
  const met = intent ? { intent: intentOf(intent) } : {}
  if (typeof what !== 'string') return meta || intent ? { ref: meta ? refOf(meta) : null, ...met } : undefined
  return meta ? { ref: refFrom(what, meta), ...met } : undefined
}

const refFrom = (id: Id, meta: Buffer): Ref => new Ref(id, metaOf(meta.toString()).classId)

/** A definition that the caller may change without changing ours. */
const structuredCopy = (table: Table): Table => ({ ...structuredClone({ ...table, owner: null }), owner: table.owner })
