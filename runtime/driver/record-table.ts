import type { TaskRecord } from './task-record.js'

const SHIFT = 10

interface Chunk {
  readonly records: (TaskRecord | undefined)[]
  left: number
}

/** Records of pending tasks by number. Numbers only grow, so chunks of settled tasks go as a whole. */
export class RecordTable {
  readonly #chunks: (Chunk | undefined)[] = []

  get(task: number): TaskRecord | undefined {
    return this.#chunks[task >> SHIFT]?.records[task & MASK]
  }

  add(record: TaskRecord): void {
    let chunk = this.#chunks[record.task >> SHIFT]
    if (!chunk) this.#chunks[record.task >> SHIFT] = chunk = { records: [], left: 1 << SHIFT }
    chunk.records.push(record)
  }

  delete(task: number): void {
    const chunk = this.#chunks[task >> SHIFT]
    if (!chunk) return
    chunk.records[task & MASK] = undefined
    if (--chunk.left === 0) this.#chunks[task >> SHIFT] = undefined
  }

  *[Symbol.iterator](): Generator<TaskRecord> {
    for (const chunk of this.#chunks) for (const record of chunk?.records ?? []) if (record) yield record
  }
}

const MASK = (1 << SHIFT) - 1
