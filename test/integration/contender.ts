/** A program among several on one store: what it does, how often, and who it is, from the command line. Prints what it has seen as JSON. */
import { connect, transact, update } from 'insitu'
import { Shared } from './contended.js'

const ROLES: Readonly<Record<string, (count: number, me: string) => Promise<unknown>>> = {
  async increments(count, me) {
    const shared = await Shared.getByAlias('shared')
    for (let i = 0; i < count; i++)
      await update(shared, (o) => {
        o.n++
        o.text = String(o.n)
        o.by[me] = (o.by[me] ?? 0) + 1
      })
    return shared.n
  },

  async rewrites(count) {
    const shared = await Shared.getByAlias('shared')
    for (let i = 0; i < count; i++) {
      shared.n++
      shared.text = String(shared.n).padEnd(1 + (shared.n % 3000), ' ')
      await shared.save()
    }
    return shared.n
  },

  /** Reads until the last rewrite is there: each state is whole, and none is older than the one before. */
  async reads(count) {
    const shared = await Shared.getByAlias('shared')
    let reads = 0
    for (let last = 0; last < count; reads++) {
      await shared.reload()
      if (
        Number(shared.text) !== shared.n ||
        shared.text.length !== Math.max(String(shared.n).length, shared.n === 0 ? 1 : 1 + (shared.n % 3000))
      )
        throw new Error(`torn: ${shared.n} and ${shared.text.trimEnd()} of ${shared.text.length}`)
      if (shared.n < last) throw new Error(`${shared.n} after ${last}`)
      last = shared.n
    }
    return reads
  },

  /** Moves one between two objects, whose sum each transaction checks. */
  async moves(count, me) {
    for (let i = 0; i < count; i++)
      await transact(
        async () => {
          const [from, to] = await Promise.all([Shared.getByAlias(i % 2 ? 'a' : 'b'), Shared.getByAlias(i % 2 ? 'b' : 'a')])
          if (from.n + to.n !== 0) throw new Error(`the sum is ${from.n + to.n}`)
          from.n--
          to.n++
          to.by[me] = (to.by[me] ?? 0) + 1
        },
        { check: true },
      )
    return count
  },
}

const [url, role, count, me] = process.argv.slice(2)
const store = await connect(url!, { ack: 'committed' })
try {
  process.stdout.write(`${JSON.stringify(await store.run(() => ROLES[role!]!(Number(count), me!)))}\n`)
} finally {
  await store.close()
}
