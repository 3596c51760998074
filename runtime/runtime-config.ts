/** Settings of the runtime that come from the environment. */
import { availableParallelism } from 'node:os'

/** `INSITU_RUNTIME=off`: task calls run in place, in order. */
export const runtimeIsOff = (): boolean => process.env['INSITU_RUNTIME'] === 'off'

/** Worker threads: `INSITU_WORKERS`, else one per core. */
export function workersWanted(): number {
  const asked = Number(process.env['INSITU_WORKERS'])
  return Number.isInteger(asked) && asked > 0 ? asked : Math.max(1, availableParallelism())
}
