import { type Op, Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { Program } from '../../src/unit/program.js'
import type { HomeParts } from '../engines/messages.js'
import type { TaskRecord } from './task-record.js'

/** Homes whose marks are dropped as one group. */
const HOMES_AT_ONCE = 500

/** What tasks changed in the stores of the program: instances to refresh, marks to drop. */
export class Effects {
  readonly #changed = new Map<Program, Set<string>>()
  readonly #marks = new Map<Program, Map<string, { readonly home: Ref; readonly keys: string[] }>>()

  note({ kind: { program } }: TaskRecord, ids: readonly string[], [id, classId, store, wrote = []]: HomeParts, mark: string): void {
    this.#noteChanged(program, ids)
    for (const url of wrote) {
      const other = program.store.peer(url)
      if (other) this.#noteChanged(other.program, ids)
    }
    const keeper = (store && program.store.peer(store)?.program) || program
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

  /** Drops the marks of the run: nobody will ask for its outcomes again. */
  async forgetMarks(): Promise<void> {
    for (const [program, homes] of this.#marks) {
      const ops = [...homes.values()].map(({ home, keys }): Op => ({ do: 'forget', home, keys, what: 'mark' }))
      for (let i = 0; i < ops.length && !program.store.closed; i += HOMES_AT_ONCE)
        await program.store.commit(ops.slice(i, i + HOMES_AT_ONCE)).catch(() => {})
    }
    this.#marks.clear()
  }
}
