import { type Backend, Ref, type Stored } from '../backend.js'
import { type CommitOptions, readResolved } from '../commit/index.js'
import { type Id, madeAtMs } from '../ids.js'
import { CHUNK_CLASS } from '../large-cells.js'
import { ORIGIN_CLASS, originIn, versionOf } from '../unit/versions.js'
import { edgesOf, redoEdges, type StreamIds, streamsIn } from './edges.js'
import { isHere } from './gc-options.js'

/** Objects read in one call. */
const PAGE_REFS = 256
const WALKS_MAX = 10
const GLANCES_MAX = 100

export interface ReachOptions {
  /** Objects made or last written after it are roots. */
  readonly beforeMs: number
  readonly dryRun: boolean
  readonly commit: CommitOptions
  readonly referringStores: readonly Backend[]
}

/**
 * What the aliases of a store lead to, directly or through others. Young objects are roots as well: they may be about to be named, and
 * what they refer to with them.
 *
 * There is no snapshot of a store to walk in, and a reference that is moved from an object not yet read to one already read is not
 * met. Hence `look` walks again until it has seen each object twice without two changes between. Take the moment between the two last
 * walks, and a chain from an alias that stood then. Its first object was met; if one is met, so is the next: as it was at that
 * moment it was read before or after, since it changed at most once in between. So everything that could be reached at that moment was
 * met. What was met once stays met, and is read again in later walks. Objects that change all the time, as counters do, are read
 * twice between the two walks, in quick succession: then that is the moment. What was stored only after it is no candidate, whatever the
 * clocks in ids say.
 *
 * (Rows have no revision. A reference that is moved from row to row is missed only if each walk misses it.)
 */
export class Reach {
  /** Objects of this store that something leads to. */
  readonly reached = new Map<Id, Ref>()
  /** Old objects that stood at that moment, and that nothing was seen to lead to. */
  candidates: Ref[] = []
  /** Aliases without an object. */
  readonly deadAliases = new Map<string, Ref>()
  readonly #backend: Backend
  readonly #options: ReachOptions
  /** Old objects that the last walk did not meet. */
  #unmet: ReadonlySet<Id> = new Set()
  /** Revisions as last read. */
  #seen: ReadonlyMap<Id, number> = new Map()

  constructor(backend: Backend, options: ReachOptions) {
    this.#backend = backend
    this.#options = options
  }

  /** Walks until nothing can have been missed; `false` when the store changes too quickly to be sure of that. Aborting rejects. */
  async look(signal?: AbortSignal): Promise<boolean> {
    const restless = new Map<Id, Ref>()
    await this.#walk(signal)
    for (let nth = 2; nth <= WALKS_MAX; nth++) {
      const isQuiet = await this.#glance([...restless.values()])
      const moved = (await this.#walk(signal)).filter(({ id }) => !restless.has(id))
      if (isQuiet && moved.length === 0) return true
      for (const ref of moved) restless.set(ref.id, ref)
    }
    return false
  }

  /** Gives the objects that may have changed twice since they were last read. */
  async #walk(signal: AbortSignal | undefined): Promise<readonly Ref[]> {
    const walk = new Walk(this.#backend, this.#options, this.reached, this.#seen, signal)
    this.deadAliases.clear()
    for (const ref of [...this.reached.values()]) walk.follow(ref)
    await walk.origins()
    await walk.foreign()
    await walk.aliases(this.deadAliases)
    await walk.intents()
    await walk.drain()
    const unmet = await walk.young()
    this.candidates = unmet.filter(({ id }) => this.#unmet.has(id))
    this.#unmet = new Set(unmet.map(({ id }) => id))
    this.#seen = walk.seen
    return walk.restless
  }

  /** Reads restless objects until a moment is found before and after which each was read with at most one change in between. */
  async #glance(refs: readonly Ref[]): Promise<boolean> {
    if (refs.length === 0) return true
    let seen: ReadonlyMap<Id, number> = new Map()
    for (let nth = 0; nth < GLANCES_MAX; nth++) {
      const walk = new Walk(this.#backend, this.#options, this.reached, seen)
      await walk.visitAll(refs)
      if (nth > 0 && walk.restless.length === 0) return true
      seen = walk.seen
    }
    return false
  }
}

class Walk {
  readonly seen = new Map<Id, number>()
  readonly restless: Ref[] = []
  readonly #queue: Ref[] = []
  readonly #queued = new Set<Id>()
  #streams: Promise<StreamIds> | undefined
  /** What the versions come from, by their ids. */
  readonly #chains = new Map<Id, readonly Ref[]>()

  constructor(
    readonly backend: Backend,
    readonly options: ReachOptions,
    readonly reached: Map<Id, Ref>,
    readonly before: ReadonlyMap<Id, number>,
    readonly signal?: AbortSignal,
  ) {}

  readonly follow = (ref: Ref): void => {
    if (!isHere(ref, this.backend.url) || this.#queued.has(ref.id)) return
    const here = ref.store === undefined ? ref : new Ref(ref.id, ref.classId)
    this.#queued.add(ref.id)
    this.reached.set(ref.id, here)
    this.#queue.push(here)
  }

  async origins(): Promise<void> {
    for await (const page of this.backend.objects({ classId: ORIGIN_CLASS }))
      for (const stored of await this.#read(page)) if (stored) this.#chains.set(versionOf(stored.ref), originIn(stored).chain)
  }

  /** Objects of other stores that refer to this one: any of them, since only their own collector knows which are reached. */
  async foreign(): Promise<void> {
    for (const other of this.options.referringStores) {
      const streams = await streamsIn(other)
      for await (const page of other.objects({}))
        for (const stored of await other.read(page))
          if (stored && stored.ref.classId !== CHUNK_CLASS)
            await edgesOf(other, stored, streams, (ref) => {
              if (ref.store === this.backend.url) this.follow(ref)
            })
    }
  }

  async aliases(dead: Map<string, Ref>): Promise<void> {
    for await (const page of this.backend.aliases({ prefix: '' })) {
      const standing = await this.backend.find(page.map(([, { id }]) => id))
      page.forEach(([alias, ref], i) => {
        if (standing[i]?.ref) this.follow(ref)
        else dead.set(alias, ref)
      })
    }
  }

  /** What groups under way are about to name or write. */
  async intents(): Promise<void> {
    if (!this.backend.upkeep) return
    for await (const page of this.backend.upkeep.intents())
      for (const { target, intent } of page) {
        if ('ref' in target) this.follow(target.ref)
        for (const op of intent.redo) redoEdges(op, this.follow)
      }
  }

  async drain(): Promise<void> {
    while (this.#queue.length > 0) {
      this.signal?.throwIfAborted()
      for (const stored of await this.#read(this.#queue.splice(-PAGE_REFS))) if (stored) await this.#visit(stored)
    }
  }

  /** These only; what they lead to is noted as reached, and read by the next walk. */
  async visitAll(refs: readonly Ref[]): Promise<void> {
    for (const stored of await this.#read(refs)) if (stored) await this.#visit(stored)
  }

  async #visit(stored: Stored): Promise<void> {
    const { ref, stamp } = stored
    this.seen.set(ref.id, stamp.revision)
    if (!this.#isCalm(ref.id, stamp.revision)) this.restless.push(ref)
    if (ref.classId === CHUNK_CLASS) return
    for (const origin of this.#chains.get(ref.id) ?? []) this.follow(origin)
    this.#streams ??= streamsIn(this.backend)
    await edgesOf(this.backend, stored, await this.#streams, this.follow)
  }

  /** Changed at most once since the walk before, or made since then. */
  #isCalm(id: Id, revision: number): boolean {
    const before = this.before.get(id)
    if (before === undefined) return madeAtMs(id) >= this.options.beforeMs
    return revision === before || revision === before + 1
  }

  /** Goes on from young objects, by id or by last change; gives the old ones that are left. */
  async young(): Promise<Ref[]> {
    const left: Ref[] = []
    for await (const page of this.backend.objects({})) {
      const unmet = page.filter(({ id, classId }) => !this.reached.has(id) && classId !== CHUNK_CLASS && classId !== ORIGIN_CLASS)
      const old = unmet.filter((ref) => !this.#isYoung(ref))
      for (const stored of await this.#read(old))
        if (stored && madeAtMs(stored.stamp.commit) >= this.options.beforeMs) this.follow(stored.ref)
        else if (stored) left.push(stored.ref)
      await this.drain()
    }
    return left.filter(({ id }) => !this.reached.has(id))
  }

  #isYoung(ref: Ref): boolean {
    if (madeAtMs(ref.id) < this.options.beforeMs) return false
    this.follow(ref)
    return true
  }

  /** Resolved, so that a group decided long ago shows; a dry run settles nothing. */
  async #read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    if (refs.length === 0) return []
    return this.options.dryRun ? this.backend.read(refs) : readResolved(this.backend, refs, this.options.commit)
  }
}
