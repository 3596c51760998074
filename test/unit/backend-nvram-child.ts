/** A further process on a store: `node backend-nvram-child.js WHAT URL …`. */
import { createBackend } from '../../backends/nvram/index.js'
import type { Backend, Table } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import type { ClassId, Id, TableId } from '../../src/ids.js'
import { addOp, newThing, putOp, send, stored } from './backend-spec.js'

const [what, url = '', ...rest] = process.argv.slice(2)

/** Adds to one counter, and raises one object's number by compare-and-set, `count` times. */
async function count(backend: Backend, [table = '', object = '', times = '0']: string[]): Promise<void> {
  const row = (await backend.table(table as TableId)) as Table
  const ref = new Ref(object as Id, 'insitu/test#Thing' as ClassId)
  for (let i = 0; i < Number(times); i++) await Promise.all([send(backend, addOp(row, ['p', 1n], 1n)), raise(backend, ref)])
}

async function raise(backend: Backend, ref: Ref): Promise<void> {
  for (;;) {
    const seen = (await stored(backend, ref))!
    try {
      await send(backend, putOp(ref, { v: (seen.cells.get('v') as number) + 1 }, seen.stamp))
      return
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
    }
  }
}

/** Commits pairs of objects until it is killed, and says each when its commit has resolved. */
async function forever(backend: Backend): Promise<void> {
  for (;;) {
    const [a, b] = [newThing(), newThing()]
    await send(backend, putOp(a, { other: b }), putOp(b, { other: a }))
    process.stdout.write(`${a.id} ${b.id}\n`)
  }
}

/** Stores so many objects of a mebibyte each, which says which it is. */
async function grow(backend: Backend, [times = '0']: string[]): Promise<void> {
  for (let i = 0; i < Number(times); i++) await send(backend, putOp(newThing(), { i, bytes: new Uint8Array(1024 * 1024).fill(i) }))
}

/** Dies in the midst of reading: lmdb ends a reading in a later turn. */
async function dieReading(backend: Backend, [object = '']: string[]): Promise<void> {
  await stored(backend, new Ref(object as Id, 'insitu/test#Thing' as ClassId))
  process.kill(process.pid, 'SIGKILL')
}

const backend = createBackend(url)
await backend.open()
if (what === 'count') await count(backend, rest)
if (what === 'forever') await forever(backend)
if (what === 'grow') await grow(backend, rest)
if (what === 'die-reading') await dieReading(backend, rest)
while (what === 'reopen') {
  await backend.close()
  await backend.open()
  process.stdout.write('open\n')
}
await backend.close()
