import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes that this process holds after a full collection: `heap` alone, or what lies outside of it too, as memory of typed arrays does. */
export function memoryUsed(of: 'heap' | 'all' = 'all'): number {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return of === 'heap' ? heapUsed : heapUsed + external
}
