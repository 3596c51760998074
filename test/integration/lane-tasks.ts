/** Tasks that follow one another. */
import { INOUT, StorageObject, task } from '../../runtime/index.js'
import { isFirst } from '../conformance/is-first.js'

export class Sum extends StorageObject {
  n = 0
}

export const one = task(() => 1)
export const plus = task((a: number, b: number) => (a + b) % 1_000_003)
export const wide = task((before: string, length: number) => before.padEnd(length, 'x'))
export const list = task((before: readonly number[], n: number) => [...before.slice(-4), n])
export const failAt = task((n: number, at: number) => {
  if (n === at) throw new RangeError(`at ${n}`)
  return n + 1
})
export const addTo = task(
  (sum: Sum, n: number) => {
    sum.n += n
    return sum.n
  },
  { args: [INOUT] },
)
/** Ends its worker when it gets there first. */
export const dieAt = task((n: number, at: number, marker: string) => {
  if (n === at && isFirst(marker)) process.exit(3)
  return n + 1
})
