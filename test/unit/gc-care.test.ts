/** A collector that does not come to its end, and streams, of which nothing but the store knows that they are some. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openBackend } from '../../runtime/open-backend.js'
import { type Backend, type Op, Ref } from '../../src/backend.js'
import { encodeValue } from '../../src/codec/values.js'
import { collect, type GcOptions } from '../../src/gc/index.js'
import { newId } from '../../src/ids.js'
import { allOf, newThing, putOp, send, stored } from './backend-spec.js'
import { Interfering } from './interfering-backend.js'

const HOUR_MS = 3_600_000
/** As if two hours had passed, so that what the test has just made is old. */
const later = (options: GcOptions = {}): GcOptions => ({ nowMs: Date.now() + 2 * HOUR_MS, ...options })

const kinds: Record<string, (folder: string) => string> = {
  memory: () => `memory:${newId()}`,
  nvram: (folder) => `nvram:${folder}/store`,
}

for (const [kind, urlIn] of Object.entries(kinds))
  describe(`gc with care: ${kind}`, () => {
    let folder: string
    let backend: Backend

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-gc-'))
      backend = await openBackend(urlIn(folder))
    })
    afterEach(async () => {
      await backend.close()
      await rm(folder, { recursive: true, force: true })
    })
    const commit = async (...ops: Op[]): Promise<void> => void (await send(backend, ...ops))

    it('gives back what was removed before it ends, whether it is told to or cannot look again', async () => {
      const [root, held] = [newThing(), newThing()]
      await commit(putOp(root, {}), { do: 'name', alias: 'root', expect: null, to: root })
      await commit(putOp(held, { n: 1 }))
      const linking = async (op: Op): Promise<void> => {
        if (op.do === 'remove')
          await commit({ do: 'put', ref: root, set: new Map([['link', held]]), expect: (await stored(backend, root))!.stamp })
      }
      const stop = new AbortController()
      const told = collect(new Interfering(backend, async () => {}, linking), {
        ...later({ signal: stop.signal }),
        onGarbage: () => stop.abort(new RangeError('enough')),
      })
      expect(await told.catch((error: unknown) => error)).to.be.instanceOf(RangeError)
      expect((await stored(backend, held))!.cells.get('n')).to.equal(1)

      await commit({ do: 'put', ref: root, set: new Map(), unset: ['link'], expect: (await stored(backend, root))!.stamp })
      let isRemoved = false
      const blind = new Interfering(
        backend,
        async () => {
          if (isRemoved) throw new RangeError('cannot look')
        },
        async (op) => {
          await linking(op)
          isRemoved ||= op.do === 'remove'
        },
      )
      expect(await collect(blind, later()).catch((error: unknown) => error)).to.be.instanceOf(RangeError)
      expect((await stored(backend, held))!.cells.get('n')).to.equal(1)
    })

    it('keeps what items of a stream refer to, of whatever class it is, and drops items whose stream is gone', async () => {
      // Of a class that is not that of streams, and not known here.
      const [feed, held, left] = [newThing(), newThing(), newThing()]
      await commit(putOp(feed, {}), { do: 'name', alias: 'feed', expect: null, to: feed })
      await commit(putOp(held, {}))
      await commit(putOp(left, {}))
      const itemOf = (ref: Ref): Uint8Array =>
        encodeValue([ref], {
          path: 'item',
          refOf: (value) => (value instanceof Ref ? value : undefined),
          collectionOf: () => undefined,
          classOf: () => undefined,
        })
      await backend.streams!.append(feed, 'p', 0, [itemOf(held)])
      await backend.streams!.append(left, 'p', 0, [itemOf(held)])
      // Its program died before it had dropped the items.
      await commit({ do: 'remove', ref: left, expect: 'present' })
      const seen: string[] = []
      const options = later({ onGarbage: ({ kind: what, name }) => seen.push(`${what} ${name}`) })
      expect((await collect(backend, { ...later(), dryRun: true })).counts.stream).to.equal(1)
      const { counts } = await collect(backend, options)
      expect(await stored(backend, held)).to.not.equal(undefined)
      expect([counts.object, seen]).to.deep.equal([0, [`stream ${left.id}`]])
      expect(await allOf(backend.upkeep!.streams!())).to.deep.equal([feed.id])
    })
  })
