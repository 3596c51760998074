/** A program that works with a dict over several slots, and dies where INSITU_FAILPOINT says: `node spread-child.js ORDER`. */
import { createBackend } from '../../backends/redis/index.js'
import { knownTable } from '../../backends/redis/redis-rows.js'
import type { Table } from '../../src/backend.js'
import { row, send } from '../conformance/contract-kit.js'

export interface SpreadOrder {
  readonly url: string
  /** As `jsonOfTable` makes it. */
  readonly table: string
  /** Gives the table one more column. */
  readonly gains?: boolean
  /** Writes a row in this partition. */
  readonly writes?: string
  readonly drops?: boolean
}

const order = JSON.parse(process.argv[2] ?? 'null') as SpreadOrder | null
if (order) {
  const backend = createBackend(order.url)
  await backend.open()
  const { table } = knownTable((JSON.parse(order.table) as Table).id, order.table, '0')
  const wider: Table = { ...table, values: [...table.values, { name: 'more', type: 'text', optional: true }] }
  if (order.gains) await backend.define(wider)
  if (order.writes !== undefined) await send(backend, row(table.id, [order.writes, 1n], [1n, undefined, undefined]))
  if (order.drops) await backend.drop(table.id)
  await backend.close()
}
