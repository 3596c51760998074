/** The store as a worker thread of an agent sees it: it reads its host's file itself, and has the agent do the rest. */
import type { Backend, Piece, Range, Ref, Stored } from '../../src/backend.js'
import type { Id, TableId } from '../../src/ids.js'
import type { RemoteBackend } from '../data/backend-port.js'
import { hostIndexOf } from './host-ids.js'

export function besideAgent(agent: RemoteBackend, file: Backend, host: number, count: number): Backend {
  const isHere = (id: string): boolean => hostIndexOf(id, count) === host
  const near = (id: string): Backend => (isHere(id) ? file : agent)
  return {
    ...agent,
    close: async () => {
      await file.close()
      await agent.close()
    },
    read: (refs) =>
      split(
        refs,
        ({ id }) => isHere(id),
        (some) => file.read(some),
        (some) => agent.read(some),
      ),
    find: (what) =>
      split(
        what,
        (one) => typeof one === 'string' && isHere(one),
        (some) => file.find(some),
        (some) => agent.find(some),
      ),
    marks: (home, keys) => near(home.id).marks(home, keys),
    staged: (home, commit) => near(home.id).staged(home, commit),
    table: (id) => near(id).table(id),
    rows: (table, keys) => near(table).rows(table, keys),
    scan: (range: Range, signal?: AbortSignal) => near(tableOf(range.in)).scan(range, signal),
    pieces: (of, atLeast) => near(tableOf(of)).pieces(of, atLeast),
  }
}

const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

/** Asks each side for its part, and gives the answers in the order asked. */
async function split<T extends Ref | Id | { readonly alias: string }, R extends Stored | object>(
  items: readonly T[],
  isHere: (item: T) => boolean,
  here: (some: readonly T[]) => Promise<readonly (R | undefined)[]>,
  there: (some: readonly T[]) => Promise<readonly (R | undefined)[]>,
): Promise<readonly (R | undefined)[]> {
  const own = items.map(isHere)
  if (!own.includes(false)) return here(items)
  if (!own.includes(true)) return there(items)
  const [mine, theirs] = await Promise.all([here(items.filter((_, i) => own[i])), there(items.filter((_, i) => !own[i]))])
  let [m, t] = [0, 0]
  return own.map((isOwn) => (isOwn ? mine[m++] : theirs[t++]))
}
