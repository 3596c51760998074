import { setTimeout as sleep } from 'node:timers/promises'
import type { Ref, Stamp } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import type { Environment } from './environment.js'
import type { NvramSpace } from './nvram-space.js'

/** Looking costs a microsecond while nothing is written to the file, by whatever process. */
const LOOK_MS = 10

/** Stamps of objects now and after each change, `null` for one that is gone. `fresh` gives the file as it is now, and throws once closed. */
export async function* watchObjects(
  refs: readonly Ref[],
  signal: AbortSignal,
  fresh: () => { readonly env: Environment; readonly space: NvramSpace },
): AsyncGenerator<readonly [Ref, Stamp | null]> {
  const seen = new Map<Id, string | null>()
  for (let lastTransaction = -1; !signal.aborted; await sleep(LOOK_MS, undefined, { signal })) {
    const { env, space } = fresh()
    const transaction = env.file.newest()
    if (transaction === lastTransaction) continue
    lastTransaction = transaction
    for (const ref of refs) {
      const stamp = space.objectHead(ref.id)?.record.stamp ?? null
      const commit = stamp?.commit ?? null
      if (seen.get(ref.id) === commit) continue
      seen.set(ref.id, commit)
      yield [ref, stamp]
    }
  }
}
