/** One store over the files of several hosts, a domain each, and a catalogue: docs/decisions/004-logical-hosts.md. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  Ack,
  Backend,
  Capabilities,
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
  Stamp,
  Stored,
  StoredRow,
  StreamItem,
  Streams,
  Table,
  Upkeep,
} from '../../src/backend.js'
import { InsituError, NotFoundError, UnsupportedError } from '../../src/errors.js'
import type { ClassId, CommitId, Domain, Host, Id, TableId } from '../../src/ids.js'
import { cellsBytes, chunksIn, opBytes } from '../../src/large-cells.js'
import { noStreams } from '../../src/streams/no-streams.js'
import { copiesIn, copyHolders, dropCopy, isCopy, keepCopy } from './copies.js'
import { HostCopies } from './host-copies.js'
import { hostIndexOf, hostNames } from './host-ids.js'
import { CATALOGUE, domainOf, indexOfHost, placesOf, SeenSizes } from './host-places.js'
import { streamsOver } from './host-streams.js'
import { noteText } from './hosts-folder.js'

/** The file of a host, as this process reaches it. */
export interface HostFile extends Backend {
  /** As `read`, but `'same'` for what still has the stamp given: nothing of it travels. Where the file is this process's own it is left out. */
  readUnless?(refs: readonly Ref[], stamps: readonly (Stamp | undefined)[]): Promise<readonly (Stored | 'same' | undefined)[]>
  /** Keeps a copy of an object of another host in this file. */
  takeCopy?(ref: Ref): Promise<void>
  leaveCopy?(ref: Ref): Promise<void>
}

export interface HostsParts {
  readonly url: string
  /** By host. */
  readonly files: readonly HostFile[]
  readonly catalogue: Backend
  /** The host that this process is; `undefined` beside the hosts. */
  readonly own?: number | undefined
  readonly haveAgents: boolean
  /** Told the bytes that came from another host. */
  readonly onMoved?: (bytes: number) => void
  /** The same beside the hosts, for what tasks fetch that run there. */
  readonly onMovedForTasks?: (bytes: number) => void
  /** Told when every file is open. */
  readonly onOpened?: () => void
  readonly onClosed?: () => Promise<void>
}

export class HostsBackend implements Backend {
  readonly url: string
  readonly hosts: readonly Host[]
  readonly places: Places
  declare readonly upkeep?: Upkeep
  readonly streams: Streams
  readonly replicas: HostCopies
  readonly #parts: HostsParts
  readonly #seen = new SeenSizes()

  constructor(parts: HostsParts) {
    this.#parts = parts
    this.url = parts.url
    this.hosts = hostNames(parts.files.length)
    this.places = placesOf(parts.files.length, parts.own, { haveAgents: parts.haveAgents, seen: this.#seen })
    this.streams = streamsOver(
      (stream) => this.#streamsAt(stream),
      (stream, items) => this.#movedItems(stream, items),
    )
    this.replicas = new HostCopies(parts, this.#seen, (file, ref) => this.#copyInto(file, ref))
    const upkeep = this.#upkeep()
    if (upkeep) this.upkeep = upkeep
  }

  #forTasks: HostsBackend | undefined

  /** The same store, as workers of this process use it: what they fetch is counted apart from what the program itself loads. */
  get forTasks(): HostsBackend {
    const { onMovedForTasks } = this.#parts
    this.#forTasks ??= onMovedForTasks ? new HostsBackend({ ...this.#parts, onMoved: onMovedForTasks }) : this
    return this.#forTasks
  }

  get capabilities(): Capabilities {
    return this.#parts.catalogue.capabilities
  }

  // ---- which file

  #named(host: Host): number {
    return indexOfHost(host, this.hosts.length)
  }

  #index(id: string): number {
    return hostIndexOf(id, this.hosts.length)
  }

  #at(id: string): HostFile {
    return this.#parts.files[this.#index(id)]!
  }

  get #all(): readonly Backend[] {
    return [...this.#parts.files, this.#parts.catalogue]
  }

  domain(op: Op): Domain {
    return domainOf(op, this.hosts.length)
  }

  // ---- life

  async open(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((file) => file.open(signal)))
    this.#parts.onOpened?.()
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((file) => file.close()))
    await this.#parts.onClosed?.()
  }

  async flush(ack: Ack): Promise<void> {
    if (!this.capabilities.acks.includes(ack))
      throw new UnsupportedError(`files cannot give acknowledgement level ${ack}; they give ${this.capabilities.acks.join(', ')}`, {
        code: 'ERR_ACK_LEVEL',
        ack,
      })
    // Workers of other hosts commit for the program: what it waits for may lie in any file. One without news answers at once.
    await Promise.all(this.#all.map((file) => file.flush(ack)))
  }

  // ---- changes

  async commit(group: Group): Promise<Receipt> {
    const [first, ...rest] = group.ops
    const domain = first ? this.domain(first) : CATALOGUE
    if (rest.some((op) => this.domain(op) !== domain))
      throw new InsituError('a group lies in several files: it must lie in one', { code: 'ERR_INTERNAL' })
    const receipt = await (domain === CATALOGUE ? this.#parts.catalogue : this.#parts.files[this.#named(domain as string as Host)]!).commit(
      group,
    )
    for (const op of group.ops) if (op.do === 'put') this.#seen.note(op.ref.id, opBytes(op))
    if (receipt.applied) await this.replicas.follow(group.ops)
    return receipt
  }

  async define(table: Table): Promise<void> {
    await this.#at(table.id).define(table)
  }

  async drop(table: TableId): Promise<void> {
    await this.#at(table).drop(table)
  }

  // ---- reads

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const found = await this.#byHost(
      refs,
      ({ id }) => id,
      (file, some, host) => (host === this.#parts.own ? file.read(some) : this.#readFar(file, some)),
    )
    for (const stored of found) if (stored) this.#seen.note(stored.ref.id, stored.bytes)
    return found
  }

  /** From another host: what did not change since it was copied here stays where it is. */
  async #readFar(file: HostFile, refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const { own, files } = this.#parts
    const kept = own === undefined || !file.readUnless ? [] : await copiesIn(files[own]!, refs)
    if (!file.readUnless || !kept.some(Boolean)) return this.#moved(await file.read(refs))
    const news = await file.readUnless(
      refs,
      kept.map((copy) => copy?.stamp),
    )
    const found = news.map((one, i) => (one === 'same' ? kept[i] : one))
    this.#moved(news.filter((one) => one !== 'same'))
    await Promise.all(news.map(async (one, i) => (kept[i] && one !== 'same' ? this.#renew(refs[i]!, one) : undefined)))
    return found
  }

  /** A copy follows its object when it is next read. An object that is under an intent is not certain yet: its copy waits. */
  async #renew(ref: Ref, now: Stored | undefined): Promise<void> {
    const file = this.#parts.files[this.#parts.own!]!
    if (!now) await dropCopy(file, ref)
    else if (!now.intent) {
      await keepCopy(file, now)
      // Its chunks are other ones now: they are copied before they are read, so that they move once.
      for (const chunk of chunksIn(now.cells)) await this.#copyInto(file, chunk)
    }
  }

  #moved<T extends Stored | undefined>(found: readonly T[]): readonly T[] {
    let bytes = 0
    for (const stored of found) bytes += stored ? cellsBytes(stored.cells) : 0
    if (bytes > 0) this.#parts.onMoved?.(bytes)
    return found
  }

  #movedRows(id: TableId, rows: readonly (StoredRow | undefined)[]): void {
    if (this.#parts.own === this.#index(id) || !this.#parts.onMoved) return
    let bytes = 0
    for (const row of rows) if (row) bytes += opBytes({ do: 'row', table: id, key: row.key, set: row.values })
    if (bytes > 0) this.#parts.onMoved(bytes)
  }

  #streamsAt(stream: Ref): Streams {
    const { streams, url } = this.#at(stream.id)
    if (!streams) throw noStreams(url)
    return streams
  }

  #movedItems(stream: Ref, items: readonly StreamItem[]): void {
    if (this.#parts.own === this.#index(stream.id) || !this.#parts.onMoved) return
    const bytes = items.reduce((sum, [, item]) => sum + item.length, 0)
    if (bytes > 0) this.#parts.onMoved(bytes)
  }

  marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    return this.#at(home.id).marks(home, keys)
  }

  staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    return this.#at(home.id).staged(home, commit)
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    const at = (one: Id | { readonly alias: string }): string => (typeof one === 'string' ? one : '')
    return this.#byHost(what, at, (file, some) => file.find(some))
  }

  async *objects(of: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    for (const file of this.#parts.files)
      for await (const page of file.objects(of)) {
        const own = page.filter((ref) => !isCopy(ref))
        if (own.length > 0) yield own
      }
  }

  aliases(of: { readonly prefix?: string } | { readonly ref: Ref }): AsyncIterable<readonly (readonly [alias: string, ref: Ref])[]> {
    return this.#parts.catalogue.aliases(of)
  }

  table(id: TableId): Promise<Table | undefined> {
    return this.#at(id).table(id)
  }

  async rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const rows = await this.#at(table).rows(table, keys)
    this.#movedRows(table, rows)
    return rows
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    const id = tableOf(range.in)
    for await (const page of this.#at(id).scan(range, signal)) {
      signal?.throwIfAborted()
      this.#movedRows(id, page)
      yield page
    }
  }

  pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    return this.#at(tableOf(of)).pieces(of, atLeast)
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    const found = await this.#byHost(
      what,
      (one) => ('id' in one ? one.id : one.table),
      (file, some) => file.locate(some),
    )
    const refs = what.map((one) => ('id' in one ? one : undefined))
    const holders = await copyHolders(
      this.#parts.catalogue,
      refs.filter((ref) => ref !== undefined),
    )
    let next = 0
    return found.map((locations, i) => {
      const hosts = refs[i] ? holders[next++]! : []
      const [primary] = locations ?? []
      if (!primary) return []
      if (refs[i]) {
        this.#seen.note(refs[i].id, primary.bytes)
        this.#seen.noteCopies(refs[i].id, hosts)
      }
      return [primary, ...hosts.map((host): Location => ({ host, bytes: primary.bytes, role: 'copy' }))]
    })
  }

  // ---- what not every store has

  /** Keeps a copy in the file of this process. */
  takeCopy(ref: Ref): Promise<void> {
    return this.#copyInto(this.#parts.files[this.#parts.own!]!, ref)
  }

  async #copyInto(file: HostFile, ref: Ref): Promise<void> {
    const [stored] = await this.#at(ref.id).read([ref])
    if (!stored) throw new NotFoundError(`object ${ref.id} is not in ${this.url}`, { id: ref.id })
    this.#moved([stored])
    await keepCopy(file, stored)
    for (const chunk of chunksIn(stored.cells)) await this.#copyInto(file, chunk)
  }

  /** Looking after all files at once: only where each of them can be looked after from here. */
  #upkeep(): Upkeep | undefined {
    const upkeeps = this.#all.map((file) => file.upkeep)
    if (!upkeeps.every((one) => one !== undefined)) return undefined
    return {
      tables: () => chained(upkeeps.map((one) => () => one.tables())),
      marksBefore: (beforeMs) => chained(upkeeps.map((one) => () => one.marksBefore(beforeMs))),
      intents: () => chained(upkeeps.map((one) => () => one.intents())),
      copies: () => this.replicas.all(),
      ...(upkeeps.every((one) => one.streams) && { streams: () => chained(upkeeps.map((one) => () => one.streams!())) }),
      ...(upkeeps.every((one) => one.backup) && { backup: (folder: string) => this.#backUp(upkeeps, folder) }),
    }
  }

  /** Each file as of one moment, one after the other: a group over several of them that is under way keeps its intents, and is ended by whoever opens the copy. */
  async #backUp(upkeeps: readonly Upkeep[], folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const names = [...this.hosts, 'catalogue']
    for (const [i, upkeep] of upkeeps.entries()) await upkeep.backup!(join(folder, names[i]!))
    await writeFile(join(folder, 'hosts.json'), noteText(this.hosts.length, true), { mode: 0o600, flag: 'wx' })
  }

  /** Asks each file for its part, at once, and gives the answers in the order asked. An empty anchor is the catalogue's. */
  async #byHost<T, R>(
    items: readonly T[],
    anchor: (item: T) => string,
    ask: (file: HostFile, some: readonly T[], host: number) => Promise<readonly R[]>,
  ): Promise<readonly (R | undefined)[]> {
    const groups = new Map<number, number[]>()
    items.forEach((item, i) => {
      const id = anchor(item)
      const host = id === '' ? -1 : this.#index(id)
      const at = groups.get(host)
      if (at) at.push(i)
      else groups.set(host, [i])
    })
    const answers: (R | undefined)[] = items.map(() => undefined)
    const some = async ([host, at]: readonly [number, readonly number[]]): Promise<void> => {
      const file = host < 0 ? this.#parts.catalogue : this.#parts.files[host]!
      const found = await ask(
        file,
        at.map((i) => items[i]!),
        host,
      )
      for (const [n, i] of at.entries()) answers[i] = found[n]
    }
    await Promise.all([...groups].map(some))
    return answers
  }
}

async function* chained<T>(parts: readonly (() => AsyncIterable<T>)[]): AsyncGenerator<T, void, void> {
  for (const part of parts) yield* part()
}

const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)
