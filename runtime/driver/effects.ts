import { type Op, Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { Program } from '../../src/unit/program.js'
import type { HomeParts } from '../engines/messages.js'
import { dropChunks } from '../kept-outcome.js'
import type { TaskRecord } from './task-record.js'

/** Homes whose marks are dropped as one group. */
const HOMES_AT_ONCE = 500

interface Chunks {
  readonly keeper: Program
  readonly ids: readonly string[]
}

/** What tasks changed in the stores of the program: instances to refresh, marks to drop, chunks of outcomes to drop before them. */
export class Effects {
  readonly #changed = new Map<Program, Set<string>>()
  readonly #marks = new Map<Program, Map<string, { readonly home: Ref; readonly keys: string[] }>>()

  /** Of outcomes too large for their marks, by the marks' keys. */
  readonly #chunks = new Map<string, Chunks>()
  readonly #dropping = new Set<Promise<void>>()

  note({ kind: { program } }: TaskRecord, ids: readonly string[], [id, classId, store, wrote = [], chunks]: HomeParts, mark: string): void {
    this.#noteChanged(program, ids)
    for (const url of wrote) {
      const other = program.store.peer(url)
      if (other) this.#noteChanged(other.program, ids)
    }
    const keeper = (store && program.store.peer(store)?.program) || program
    if (chunks) this.#chunks.set(mark, { keeper, ids: chunks })
    const homes = this.#marks.get(keeper) ?? new Map<string, { home: Ref; keys: string[] }>()
    this.#marks.set(keeper, homes)
    const at = homes.get(id)
    if (at) at.keys.push(mark)
    else homes.set(id, { home: new Ref(id as Id, classId as ClassId), keys: [mark] })
  }

  #noteChanged(program: Program, ids: readonly string[]): void {
    const changed = this.#changed.get(program) ?? new Set()
    this.#changed.set(program, changed)
    for (const id of ids) changed.add(id)
  }

  /** Resolves when what tasks committed has the level that its store waits for. */
  async reached(): Promise<void> {
    // What a program changed through a store that it has closed is its own affair.
    for (const program of [...this.#changed.keys()]) if (program.store.closed) this.#changed.delete(program)
    await Promise.all(Array.from(this.#changed.keys(), async (program) => program.store.reached()))
  }

  /** Brings clean loaded instances up to date with what tasks changed. */
  async refresh(): Promise<void> {
    for (const [program, ids] of [...this.#changed]) {
      this.#changed.delete(program)
      if (!program.store.closed) await program.refreshClean(ids)
    }
  }

  /** Whether outcomes stand in chunks. */
  get haveChunks(): boolean {
    return this.#chunks.size > 0
  }

  /** Nobody will ask the store for the outcomes under these marks again: what they are too large for goes now. */
  dropOutcomes(marks: Iterable<string>): void {
    for (const mark of marks) {
      const chunks = this.#chunks.get(mark)
      if (!chunks) continue
      this.#chunks.delete(mark)
      const dropping: Promise<void> = dropChunks(chunks.keeper.store, undefined, chunks.ids).finally(() => this.#dropping.delete(dropping))
      this.#dropping.add(dropping)
    }
  }

  /** Resolves when what goes has gone. */
  async dropped(): Promise<void> {
    await Promise.all(this.#dropping)
  }

  /** Drops the marks of the run: nobody will ask for its outcomes again. */
  async forgetMarks(): Promise<void> {
    this.dropOutcomes([...this.#chunks.keys()])
    await this.dropped()
    for (const [program, homes] of this.#marks) {
      const ops = [...homes.values()].map(({ home, keys }): Op => ({ do: 'forget', home, keys, what: 'mark' }))
      for (let i = 0; i < ops.length && !program.store.closed; i += HOMES_AT_ONCE)
        await program.store.commit(ops.slice(i, i + HOMES_AT_ONCE)).catch(() => {})
    }
    this.#marks.clear()
  }
}
