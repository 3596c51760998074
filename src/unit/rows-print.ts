import { hash } from 'node:crypto'
import type { Cell, StoredRow } from '../backend.js'
import { fingerprint } from '../codec/values.js'
import type { TableId } from '../ids.js'

const BYTES = 16

/** What rows there are, in little memory, whatever the order in which they are met: each row's digest, all added up by exclusive or. */
export class RowsPrint {
  readonly #sum = Buffer.alloc(BYTES)

  add(table: TableId, { key, values }: StoredRow): void {
    const digest = hash('sha256', `${table}${String(fingerprint([[...key], cellsOf(values)]))}`, 'buffer')
    for (let i = 0; i < BYTES; i++) this.#sum[i]! ^= digest[i]!
  }

  get text(): string {
    return this.#sum.toString('hex')
  }
}

/** Without columns at the end that are not set, counters among them: those a class may have gained since. */
function cellsOf(values: StoredRow['values']): Cell[] {
  const cells = values.map((cell) => (cell === undefined || cell === 0n ? NOT_SET : cell))
  while (cells.at(-1) === NOT_SET) cells.pop()
  return cells
}

/** No column holds a list of this. */
const NOT_SET: Cell = [null, null]
