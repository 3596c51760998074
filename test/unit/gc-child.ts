/**
 * A program whose objects a collector may not touch: `node gc-child.js URL NAME TIMES`. Ten named holders hold an object each. Again and
 * again one is moved to another holder, in one commit, or replaced by a new one; then everything must be there. Exit code 1 if not.
 */
import { openBackend } from '../../runtime/open-backend.js'
import { type Op, Ref } from '../../src/backend.js'
import { randomOf } from '../crash/random.js'
import { newThing, putOp, send, stored } from './backend-spec.js'

const [url = '', name = '', times = '0'] = process.argv.slice(2)
const HOLDERS = 10
const backend = await openBackend(url)
const random = randomOf(Number(name) + 1)
const below = (n: number): number => Math.floor(random() * n)

const holders = Array.from({ length: HOLDERS }, () => newThing())
const held = holders.map(() => newThing())
for (const [i, holder] of holders.entries())
  await send(backend, putOp(held[i]!, { i }), putOp(holder, { it: held[i]! }), {
    do: 'name',
    alias: `${name} ${i}`,
    expect: null,
    to: holder,
  })

const hold = async (i: number, it: Ref): Promise<Op> => {
  const found = await stored(backend, holders[i]!)
  if (!found) throw new Error(`holder ${i} is gone`)
  return { do: 'put', ref: holders[i]!, set: new Map([['it', it]]), expect: found.stamp }
}

async function swap(): Promise<void> {
  const [a, b] = [below(HOLDERS), below(HOLDERS)]
  if (a === b) return
  await send(backend, await hold(a, held[b]!), await hold(b, held[a]!))
  ;[held[a], held[b]] = [held[b]!, held[a]!]
}

async function replace(): Promise<void> {
  const [i, fresh] = [below(HOLDERS), newThing()]
  await send(backend, putOp(fresh, { i }), await hold(i, fresh))
  held[i] = fresh
}

for (let nth = 0; nth < Number(times); nth++) {
  await (nth % 5 === 0 ? replace() : swap())
  for (const [i, holder] of holders.entries()) {
    const it = (await stored(backend, holder))?.cells.get('it')
    if (!(it instanceof Ref) || it.id !== held[i]!.id || !(await stored(backend, it))) throw new Error(`what holder ${i} holds is gone`)
  }
}
await backend.close()
