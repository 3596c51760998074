/** Where aggregates are computed: in the store when nothing unsaved stands above it, else here, row by row. */
import type { Cell, Piece } from '../backend.js'
import { UnsupportedError } from '../errors.js'
import type { TableId } from '../ids.js'
import { type AggregatePlan, type AnyRow, Group, Groups, rowOfResults } from './aggregate.js'
import type { DictState } from './dict-state.js'
import { mergedPages, type ScanRange } from './merged-scan.js'
import { prefixBounds } from './row-key.js'
import { isUnordered } from './unordered-scan.js'

export async function aggregated(state: DictState, plan: AggregatePlan, range: ScanRange, signal?: AbortSignal): Promise<AnyRow> {
  signal?.throwIfAborted()
  const pushed = await askStore(state, plan, range)
  signal?.throwIfAborted()
  if (pushed) return rowOfResults(plan, pushed[0] ?? [], state.refs)
  const all = new Group(plan, [])
  for await (const page of mergedPages(state, range, signal)) for (const row of page) all.add(row)
  return all.results(state.refs)
}

export async function* grouped(
  state: DictState,
  plan: AggregatePlan,
  range: ScanRange,
  signal?: AbortSignal,
): AsyncGenerator<[AnyRow, AnyRow], void> {
  const width = plan.by.length
  signal?.throwIfAborted()
  const pushed = await askStore(state, plan, range)
  if (pushed) {
    for (const cells of pushed) {
      signal?.throwIfAborted()
      yield [keyRow(state, plan, cells.slice(0, width)), rowOfResults(plan, cells.slice(width), state.refs)]
    }
    return
  }
  const groups = new Groups(plan, state.schema, range.prefix?.length ?? 0, !isUnordered(state, range))
  const entry = (group: Group): [AnyRow, AnyRow] => [keyRow(state, plan, group.key), group.results(state.refs)]
  for await (const page of mergedPages(state, range, signal))
    for (const row of page) {
      const over = groups.add(row)
      if (over) yield entry(over)
    }
  for (const group of groups.rest()) yield entry(group)
}

const whole = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

function keyRow({ refs }: DictState, { by }: AggregatePlan, cells: readonly (Cell | undefined)[]): AnyRow {
  const row: AnyRow = {}
  by.forEach((column, i) => {
    const cell = cells[i]
    row[column.name] = cell === undefined || cell === null ? undefined : column.fromCell(cell, refs)
  })
  return row
}

/** What the store says; `undefined` when it cannot, or when writes of this unit of work would be missing. */
export async function askStore(state: DictState, plan: AggregatePlan, range: ScanRange): Promise<readonly (readonly Cell[])[] | undefined> {
  const aggregates = state.binding?.unit?.store.backend.aggregates
  const where = state.source
  if (!aggregates || where === undefined || state.notesReads) return undefined
  const view = state.viewNow()
  // Where pieces are no ranges of keys, a write that is buffered anywhere may be in any of them.
  const { from, to } = prefixBounds(state.schema, { in: isUnordered(state, range) ? whole(where) : where, ...range })
  const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
  if (!view || view.overlay.countBetween(latin(from), latin(to)) > 0) return undefined
  const ops = plan.ops.map(({ word, column }) => [word, column?.name ?? '*'] as const)
  const by = plan.by.map(({ name }) => name)
  try {
    const rows = await aggregates.aggregate({ in: where, ...range }, by, ops)
    return view.isSteady() ? rows : undefined
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined
    throw error
  }
}
