/** A program that commits one large group, and dies where INSITU_FAILPOINT says: `node large-group-child.js URL COUNT IDS…`. */
import { createBackend } from '../../backends/redis/index.js'
import type { Op } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import type { Id, TableId } from '../../src/ids.js'
import { group, put, row, standing, THING } from '../conformance/contract-kit.js'

/** What the group does: changes the first object, makes objects, writes rows. */
export interface LargeOrder {
  readonly url: string
  readonly changed: string
  readonly made: readonly string[]
  readonly table: string
}

const order = JSON.parse(process.argv[2] ?? 'null') as LargeOrder | null
if (order) {
  const backend = createBackend(order.url)
  await backend.open()
  const changed = new Ref(order.changed as Id, THING)
  const { stamp } = await standing(backend, changed)
  const made = order.made.map((id, n): Op => put(new Ref(id as Id, THING), { n }))
  const rows = order.made.map((_, n): Op => row(order.table as TableId, ['p', BigInt(n)], [BigInt(n), undefined, undefined]))
  await backend.commit(group([put(changed, { n: 1 }, stamp), ...made, ...rows]))
  await backend.close()
}
