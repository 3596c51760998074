/** What a store takes in one go, looked at before anything is sent. */
import type { Backend, Op } from './backend.js'
import { GroupTooLargeError, ValidationError } from './errors.js'
import type { Domain, TableId } from './ids.js'
import { opBytes, rowBytes } from './large-cells.js'

/** @throws GroupTooLargeError, ValidationError (`ERR_CELL_TOO_LARGE`) */
export function requireGroupSize(ops: readonly Op[], backend: Backend): void {
  const { groupBytesMax, rowBytesMax = groupBytesMax } = backend.capabilities
  let bytes = 0
  for (const op of ops) bytes += opBytes(op)
  if (bytes > groupBytesMax) throw tooLarge(bytes, groupBytesMax, backend)
  // A code unit of a text may take three bytes.
  if (bytes * 3 > rowBytesMax && rowBytesMax < groupBytesMax) requireRowSizes(ops, rowBytesMax, backend)
  if (ops.length > (backend.capabilities.casRowsMax ?? ops.length)) requireCasRows(ops, backend.capabilities.casRowsMax!, backend)
}

/** Rows are often written when the unit is decided already: one that a store cannot take would then be neither stored nor refused. */
function requireRowSizes(ops: readonly Op[], rowBytesMax: number, backend: Backend): void {
  const ofDomains = new Map<Domain, number>()
  for (const op of ops) {
    if (op.do !== 'row') continue
    const bytes = rowBytes(op)
    if (bytes > rowBytesMax) throw rowTooLarge(op, bytes, rowBytesMax, backend)
    if (!op.isCas) continue
    const all = added(ofDomains, backend.domain(op), bytes)
    if (all > rowBytesMax) throw tooLarge(all, rowBytesMax, backend)
  }
}

function requireCasRows(ops: readonly Op[], rowsMax: number, backend: Backend): void {
  const ofDomains = new Map<Domain, number>()
  for (const op of ops)
    if (op.do === 'row' && op.isCas && added(ofDomains, backend.domain(op), 1) > rowsMax)
      throw new GroupTooLargeError(
        `a unit of work changes more rows of one partition by compare-and-set than ${backend.url} does at once (${rowsMax}): save in smaller steps, or load rows with bulk()`,
        { rowsMax, table: op.table },
      )
}

function added(sums: Map<Domain, number>, domain: Domain, by: number): number {
  const sum = by + (sums.get(domain) ?? 0)
  sums.set(domain, sum)
  return sum
}

const tooLarge = (bytes: number, bytesMax: number, { url }: Backend): Error =>
  new GroupTooLargeError(
    `a unit of work of ${bytes} bytes is larger than ${url} takes at once (${bytesMax}): save in smaller steps, or load rows with bulk()`,
    { bytes, bytesMax },
  )

const rowTooLarge = ({ table }: { readonly table: TableId }, bytes: number, bytesMax: number, { url }: Backend): Error =>
  new ValidationError(
    `a row of ${bytes} bytes is larger than ${url} takes (${bytesMax}): split it, or keep large values as fields of an object`,
    { code: 'ERR_CELL_TOO_LARGE', table, bytes, bytesMax },
  )
