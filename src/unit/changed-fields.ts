/** Which fields changed, told from cells: fields that share a value are one cell, under the first of their names. */
import type { Cells } from '../backend.js'
import { fingerprint, namesIn } from '../codec/values.js'
import type { Prints } from './persist-plan.js'

/** The fields of cells that were set, and of those that are no more. */
export function fieldsIn(set: Cells, unset: Iterable<string>): Set<string> {
  const names = new Set(unset)
  for (const [name, cell] of set) for (const each of namesIn(name, cell)) names.add(each)
  return names
}

/** The fields that differ from what they were. */
export function changedFields(cells: Cells, base: Prints): Set<string> {
  const set = [...cells].filter(([name, cell]) => base.get(name) !== fingerprint(cell))
  return fieldsIn(
    new Map(set),
    [...base.keys()].filter((name) => !cells.has(name)),
  )
}
