import { task } from 'insitu'
import type { Values } from '../../examples/histogram/values.js'

const BINS = 64

/** As the example counts, in as few instructions as may be: what is measured is how the values come to the loop. */
export const binsOf = task((values: Values) => {
  const { numbers } = values
  const counts = new Uint32Array(BINS)
  for (let i = 0; i < numbers.length; i++) counts[(numbers[i]! * BINS) | 0]!++
  return counts
})
