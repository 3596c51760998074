/**
 * Removes from a store what no alias leads to, while programs go on working with it.
 *
 * **What goes**: objects that no alias reaches, through whatever number of others; chunks that no object and no mark lists; notes
 * of versions that are gone; tables whose owner is gone or has let go of them; items of streams that are gone; copies of objects
 * that are gone; names without an object; marks of runs long over; intents of dead writers, which are finished or dropped as whoever
 * meets them would (src/commit).
 *
 * **Why nothing is lost that somebody needs.** Three things could go wrong, and each has its answer:
 *
 * 1. *A program is about to publish what it has stored.* Chunks, rows and new objects of other domains are stored before the group
 *    that leads to them. So nothing goes that was made, or last written, less than `olderThanMs` ago, and whatever young objects refer
 *    to stays as well. The limit must be longer than such a preparation takes, and than a program keeps an object that nothing in any
 *    store refers to; what it keeps longer has an alias.
 * 2. *A program moves a reference while the collector walks.* `Reach` walks until nothing that stood at one moment can have been missed.
 *    Where it cannot be sure of that, no object is removed.
 * 3. *A program links an old object, which it holds in memory, after the walk and before the removal.* The link itself touches only the
 *    object that links. So an object is removed only at the stamp at which it was seen, what is removed is kept in memory, and then
 *    the store is looked at again: what anything leads to by now is given back, cells and all, before its tables are touched. A link made
 *    after that last look is made by a program that holds an object which has long been gone; it is told so by `NotFoundError`.
 *
 * A collector that dies between removal and last look has removed objects that nothing led to when it last looked.
 *
 * References from other stores cannot be seen from here: `referringStores` names those that may have some.
 */
import { type Backend, type Intent, type Mark, type Op, Ref, type Stored, type Target } from '../backend.js'
import { toolsOf } from '../commit/commit-options.js'
import { type CommitOptions, finishStaged, resolveIntent } from '../commit/index.js'
import { DomainGroups } from '../commit/plan-groups.js'
import { send } from '../commit/send.js'
import { ConflictError, InsituError } from '../errors.js'
import { type CommitId, isIdText, madeAtMs, newCommitId, type TableId } from '../ids.js'
import { intentsOn } from '../intents.js'
import { CHUNK_CLASS, chunksIn, chunksInOutcome } from '../large-cells.js'
import { STREAM_CLASS } from '../unit/belongings.js'
import { ORIGIN_CLASS, versionOf } from '../unit/versions.js'
import { ownTableIds, streamsIn } from './edges.js'
import { type Garbage, type GarbageKind, GC_OLDER_THAN_MS, type GcOptions, type GcReport } from './gc-options.js'
import { Reach } from './reach.js'

/** Removed, and held in memory, before the store is looked at again. */
const BATCH_BYTES = 64 * 1024 * 1024
const PAGE_REFS = 128

/** Errors: CorruptError when an object cannot be read, since what it leads to is then not known: nothing is removed. */
export async function collect(backend: Backend, options: GcOptions = {}): Promise<GcReport> {
  const collector = new Collector(backend, options)
  await collector.intents()
  const reach = await collector.objects()
  const steps = [
    () => collector.aliases(reach),
    () => collector.marks(), // before the chunks that they list
    () => collector.chunks(),
    () => collector.origins(),
    () => collector.tables(),
    () => collector.streams(),
    () => collector.copies(),
  ]
  for (const step of steps) {
    options.signal?.throwIfAborted()
    await step()
  }
  return collector.report()
}

class Collector {
  readonly #counts: Record<GarbageKind, number> = {
    object: 0,
    chunk: 0,
    origin: 0,
    table: 0,
    mark: 0,
    intent: 0,
    alias: 0,
    stream: 0,
    copy: 0,
  }
  readonly #beforeMs: number
  readonly #marksBeforeMs: number
  readonly #dryRun: boolean
  readonly #commit: CommitOptions
  /** Objects and marks that went, or would: what hangs on them goes as well. */
  readonly #gone = new Set<string>()
  #bytes = 0
  #kept = 0
  #restored = 0
  #isTooLively = false

  constructor(
    readonly backend: Backend,
    readonly options: GcOptions,
  ) {
    const nowMs = options.nowMs ?? Date.now()
    const olderThanMs = options.olderThanMs ?? GC_OLDER_THAN_MS
    this.#beforeMs = nowMs - olderThanMs
    // A unit that is sent again must find its mark for as long as a store promises to know what was sent before.
    this.#marksBeforeMs = nowMs - Math.max(olderThanMs, backend.capabilities.receiptsKeptMs)
    this.#dryRun = options.dryRun ?? false
    this.#commit = options.commit ?? { backendOf: () => backend }
  }

  report(): GcReport {
    const { upkeep, streams } = this.backend
    const skipped = [
      ...(this.#isTooLively ? ['objects'] : []),
      ...(upkeep ? [] : ['tables', 'marks', 'intents']),
      ...(streams && !upkeep?.streams ? ['streams'] : []),
    ]
    return { counts: this.#counts, bytes: this.#bytes, kept: this.#kept, restored: this.#restored, skipped }
  }

  #found(garbage: Garbage): void {
    this.#counts[garbage.kind]++
    this.#bytes += garbage.bytes ?? 0
    this.options.onGarbage?.(garbage)
  }

  /** First of all, so that what dead writers committed is there to be followed. */
  async intents(): Promise<void> {
    if (!this.backend.upkeep) return
    for await (const page of this.backend.upkeep.intents())
      for (const { target, intent } of page.flatMap(eachIntent)) {
        if (intent.leaseUntilMs >= Date.now()) continue
        const name = 'ref' in target ? target.ref.id : target.alias
        if (this.#dryRun || (await this.#isResolved({ backend: this.backend, target, intent }))) this.#found({ kind: 'intent', name })
      }
  }

  /** One whose home cannot be reached waits for somebody who can. */
  async #isResolved(met: Parameters<typeof resolveIntent>[0]): Promise<boolean> {
    try {
      return (await resolveIntent(met, this.#commit)) !== 'undecided'
    } catch (error) {
      if (error instanceof InsituError) return false
      throw error
    }
  }

  // ---- objects

  async objects(): Promise<Reach> {
    const reach = new Reach(this.backend, {
      beforeMs: this.#beforeMs,
      dryRun: this.#dryRun,
      commit: this.#commit,
      referringStores: this.options.referringStores ?? [],
    })
    this.#isTooLively = !(await reach.look(this.options.signal))
    const candidates = this.#isTooLively ? [] : [...reach.candidates]
    this.#kept = reach.reached.size
    while (candidates.length > 0) {
      this.options.signal?.throwIfAborted()
      const removed = await this.#removeBatch(candidates, reach)
      if (removed.length === 0) continue
      const gone = this.#dryRun ? removed : await this.#giveBack(removed, reach)
      for (const { ref } of gone) this.#gone.add(ref.id)
      await this.#dropTables(gone)
    }
    return reach
  }

  /** Takes from the end of `candidates` until a batch is full. */
  async #removeBatch(candidates: Ref[], reach: Reach): Promise<Stored[]> {
    const removed: Stored[] = []
    for (let bytes = 0; candidates.length > 0 && bytes < BATCH_BYTES; ) {
      const refs = candidates.splice(-PAGE_REFS).filter(({ id }) => !reach.reached.has(id))
      const stored = (await this.backend.read(refs)).filter((one) => one !== undefined)
      const old = stored.filter(({ intent, stamp }) => !intent && madeAtMs(stamp.commit) < this.#beforeMs)
      const ops = old.map(({ ref, stamp }): Op => ({ do: 'remove', ref, expect: stamp }))
      const done = this.#dryRun ? new Set(ops) : await this.#remove(ops)
      for (const [i, one] of old.entries())
        if (done.has(ops[i]!)) {
          removed.push(one)
          bytes += one.bytes
          this.#found({ kind: 'object', name: one.ref.id, classId: one.ref.classId, bytes: one.bytes })
        }
    }
    return removed
  }

  /** What turned out to be in use while it went stands again, as it was: not to be given up half way. Gives what is gone for good. */
  async #giveBack(removed: readonly Stored[], reach: Reach): Promise<readonly Stored[]> {
    let gone = removed
    for (;;) {
      const isSure = await reach.look().catch(async (error: unknown) => {
        for (const stored of gone) await this.#restore(stored) // what leads to them cannot be known
        throw error
      })
      const wanted = gone.filter(({ ref }) => !isSure || reach.reached.has(ref.id))
      if (wanted.length === 0) return gone
      for (const stored of wanted) await this.#restore(stored)
      gone = gone.filter((stored) => !wanted.includes(stored))
    }
  }

  async #restore({ ref, cells, bytes }: Stored): Promise<void> {
    await this.#send(this.backend, [{ do: 'put', ref, set: cells, expect: 'absent' }])
    this.#counts.object--
    this.#bytes -= bytes
    this.#restored++
  }

  /** What lies beside a stream that is gone. */
  async streams(): Promise<void> {
    const old = [...(await streamsIn(this.backend))].filter((id) => madeAtMs(id) < this.#beforeMs)
    for (let at = 0; at < old.length; at += PAGE_REFS) {
      const page = old.slice(at, at + PAGE_REFS)
      const found = await this.backend.find(page)
      for (const [i, id] of page.entries()) {
        if (found[i] && !this.#gone.has(id)) continue
        if (!this.#dryRun) await this.backend.streams?.drop(new Ref(id, STREAM_CLASS))
        this.#found({ kind: 'stream', name: id })
      }
    }
  }

  async #dropTables(gone: readonly Stored[]): Promise<void> {
    for (const stored of gone) {
      for (const table of await ownTableIds(this.backend, stored)) {
        if (!this.#dryRun) await this.backend.drop(table)
        this.#found({ kind: 'table', name: table })
      }
    }
  }

  async aliases(reach: Reach): Promise<void> {
    for (const [alias, ref] of reach.deadAliases) {
      if (madeAtMs(ref.id) >= this.#beforeMs) continue
      if (this.#dryRun || (await this.#remove([{ do: 'name', alias, expect: ref, to: null }])).size > 0)
        this.#found({ kind: 'alias', name: alias })
    }
  }

  // ---- what hangs on objects

  /** A chunk is listed by one object or mark only, from the commit that publishes it on, and never again once that lets go of it. */
  async chunks(): Promise<void> {
    const old = await this.#oldOf(CHUNK_CLASS)
    if (old.size === 0) return
    for await (const page of this.backend.objects({}))
      for (const stored of await this.backend.read(page.filter(({ classId }) => classId !== CHUNK_CLASS)))
        for (const { id } of stored && !this.#gone.has(stored.ref.id) ? chunksIn(stored.cells) : []) old.delete(id)
    for await (const page of this.backend.upkeep?.marksBefore(Number.MAX_SAFE_INTEGER) ?? [])
      for (const { mark } of page) if (!this.#gone.has(nameOfMark(mark))) for (const id of chunksInOutcome(mark.outcome)) old.delete(id)
    await this.#removeHangers('chunk', [...old.values()])
  }

  async origins(): Promise<void> {
    const old = [...(await this.#oldOf(ORIGIN_CLASS)).values()]
    for (let at = 0; at < old.length; at += PAGE_REFS) {
      const page = old.slice(at, at + PAGE_REFS)
      const versions = await this.backend.find(page.map(versionOf))
      await this.#removeHangers(
        'origin',
        page.filter((origin, i) => !versions[i] || this.#gone.has(versionOf(origin))),
      )
    }
  }

  async #oldOf(classId: typeof CHUNK_CLASS): Promise<Map<string, Ref>> {
    const old = new Map<string, Ref>()
    for await (const page of this.backend.objects({ classId }))
      for (const ref of page) if (madeAtMs(ref.id) < this.#beforeMs) old.set(ref.id, ref)
    return old
  }

  /** They are written once: their stamp says nothing. */
  async #removeHangers(kind: GarbageKind, refs: readonly Ref[]): Promise<void> {
    for (let at = 0; at < refs.length; at += PAGE_REFS) {
      const ops = refs.slice(at, at + PAGE_REFS).map((ref): Extract<Op, { do: 'remove' }> => ({ do: 'remove', ref, expect: 'present' }))
      const done: ReadonlySet<Op> = this.#dryRun ? new Set(ops) : await this.#remove(ops)
      for (const op of ops) if (done.has(op)) this.#found({ kind, name: op.ref.id })
    }
  }

  async tables(): Promise<void> {
    if (!this.backend.upkeep) return
    for await (const page of this.backend.upkeep.tables())
      for (const { id, owner } of page) {
        if (madeAtMs(id) >= this.#beforeMs || !(await this.#isUnowned(id, owner))) continue
        if (!this.#dryRun) await this.backend.drop(id)
        this.#found({ kind: 'table', name: id })
      }
  }

  /** Of objects that are gone: who removed them ended before, or could not reach the host. A copy of what stands is of use to its host. */
  async copies(): Promise<void> {
    const { upkeep, replicas } = this.backend
    if (!upkeep?.copies || !replicas) return
    const told = new Set<string>()
    for await (const page of upkeep.copies()) {
      const found = await this.backend.find(page.map(({ ref }) => ref.id))
      for (const [i, { ref, at }] of page.entries()) {
        const name = `${ref.id} at ${at}`
        if ((found[i] && !this.#gone.has(ref.id)) || told.has(name)) continue
        if (!this.#dryRun) await replicas.drop(ref, at)
        told.add(name)
        this.#found({ kind: 'copy', name })
      }
    }
  }

  /** An owner that was written lately may be about to take the table back, into another field; a new one may be about to be stored. */
  async #isUnowned(table: TableId, owner: Ref): Promise<boolean> {
    const [stored] = await this.backend.read([owner])
    if (!stored) return madeAtMs(owner.id) < this.#beforeMs
    if (stored.intent || madeAtMs(stored.stamp.commit) >= this.#beforeMs) return false
    return !(await ownTableIds(this.backend, stored)).includes(table)
  }

  /**
   * Listed before the intents: a mark that says what becomes of an intent stands for as long as that does. What its round staged is
   * finished first, should anything have been left.
   */
  async marks(): Promise<void> {
    const { upkeep } = this.backend
    if (!upkeep) return
    const needed = new Set<string>()
    const old: { readonly home: Ref; readonly key: string; readonly name: string }[] = []
    for await (const page of upkeep.marksBefore(this.#marksBeforeMs))
      for (const { home, mark } of page) old.push({ home, key: mark.key, name: nameOfMark(mark) })
    for await (const page of upkeep.intents()) for (const { intent } of page.flatMap(eachIntent)) needed.add(intent.commit)
    for (const { home, key, name } of old) {
      if (needed.has(key)) continue
      if (!this.#dryRun) await this.#forget(home, key)
      this.#gone.add(name)
      this.#found({ kind: 'mark', name: key })
    }
  }

  async #forget(home: Ref, key: string): Promise<void> {
    if (isIdText(key)) await finishStaged({ backend: this.backend, ref: home }, String(key) as CommitId, this.#commit)
    await this.#send(this.backend, [{ do: 'forget', home, keys: [key], what: 'mark' }])
  }

  // ---- writing

  /** As few groups as may be, and one by one where somebody was in the way of one. Gives the ops that were done. */
  async #remove(ops: readonly Op[]): Promise<ReadonlySet<Op>> {
    const groups = new DomainGroups()
    for (const op of ops) groups.add(this.backend, op)
    const done = new Set<Op>()
    for (const group of groups.list) {
      if (await this.#isSent(group.ops)) for (const op of group.ops) done.add(op)
      else if (group.ops.length > 1) for (const op of group.ops) if (await this.#isSent([op])) done.add(op)
    }
    return done
  }

  async #isSent(ops: readonly Op[]): Promise<boolean> {
    try {
      await this.#send(this.backend, ops)
      return true
    } catch (error) {
      if (error instanceof ConflictError || (error instanceof InsituError && error.code === 'ERR_ALIAS_TAKEN')) return false
      throw error
    }
  }

  async #send(backend: Backend, ops: readonly Op[]): Promise<void> {
    await send(backend, { commit: newCommitId(), atMicros: 0n, ops }, toolsOf(this.#commit))
  }
}

/** Several may stand on one object. */
const eachIntent = ({ target, intent }: Standing): readonly Standing[] => intentsOn(intent).map((one) => ({ target, intent: one }))

interface Standing {
  readonly target: Target
  readonly intent: Intent
}

/** An attempt has one mark under a key. */
const nameOfMark = ({ key, attempt }: Mark): string => `${attempt} ${key}`
