/** Bodies of task graphs: empty ones, and Task Bench's kernel, which computes for a time that can be chosen. */
import { task } from 'insitu'

/** Work that takes the same time everywhere and cannot be left out. */
export function kernel(iterations: number): number {
  let x = 1
  for (let i = 0; i < iterations; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0
  return x
}

const PRIME = 1_000_003

export const begin = task((n: number) => n % PRIME)
export const join = (a: number, b: number): number => (a + 3 * b + 1) % PRIME
export const joinTask = task(join)
/** A point of the stencil: its own value of the step before, and its neighbour's. */
export const point = task((iterations: number, own: number, other: number) => {
  if (kernel(iterations) === 0.5) throw new Error('never')
  return join(own, other)
})
