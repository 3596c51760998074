import assert from 'node:assert/strict'
import { StorageStream } from '../../runtime/index.js'
import { NotFoundError, UnsupportedError } from '../../src/errors.js'
import { type Case, law } from './case.js'
import { refused } from './expect.js'
import { made, streams, taken, upTo } from './streams.js'

class Feed extends StorageStream<unknown> {}

/** Ends of streams, deleted ones, names of groups, and streams of classes of their own. */
export const streamCornerCases: readonly Case[] = [
  law(
    'I550',
    'the end of a stream comes behind what was appended before it, awaited or not',
    async (ctx) => {
      const stream = await made(ctx)
      await Promise.all([stream.append(0, 1), stream.append(2), stream.append(3), stream.end()])
      assert.deepEqual(await taken(stream), upTo(4))
    },
    streams,
  ),

  law(
    'I533',
    'items are appended as they are at the call',
    async (ctx) => {
      const stream = await made(ctx)
      const item = { n: 1, list: [1] }
      const appended = stream.append(item)
      item.n = 2
      item.list.push(2)
      await appended
      await stream.end()
      assert.deepEqual(await taken(stream), [{ n: 1, list: [1] }])
    },
    streams,
  ),

  law(
    'I551',
    'a loop in which its stream is deleted can be left; one that goes on is told',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append('a', 'b')
      for await (const item of stream) {
        assert.equal(item, 'a')
        await stream.deletePersistent()
        break
      }
      const other = await made(ctx, 'other')
      await other.append('a')
      await refused(NotFoundError, async () => {
        for await (const item of other) if (item === 'a') await other.deletePersistent()
      })
    },
    streams,
  ),

  law(
    'I553',
    'a stream has no versions, which would take its items from it when they are consolidated',
    async (ctx) => {
      for (const stream of [await made(ctx), await new Feed().makePersistent(ctx.alias('feed'))]) {
        await stream.append('a')
        const { code } = await refused(UnsupportedError, () => stream.newVersion())
        assert.equal(code, 'ERR_NO_VERSIONS')
        assert.deepEqual(await taken(stream, 1), ['a'])
      }
    },
    streams,
  ),

  law(
    'I554',
    'a stream of a class of its own is one like others: listed while it has items, which go when it is deleted',
    async (ctx) => {
      const listed = async (id: string): Promise<boolean> => {
        for await (const page of ctx.store.backend.upkeep!.streams!()) if (page.some((one) => one === id)) return true
        return false
      }
      for (const stream of [await made(ctx), await new Feed().makePersistent(ctx.alias('feed'))]) {
        const id = stream.getID()!
        await stream.append('a')
        assert.equal(await listed(id), true)
        await stream.deletePersistent()
        assert.equal(await listed(id), false)
      }
    },
    (backend) => streams(backend) ?? (backend.upkeep?.streams ? undefined : 'it does not list its streams'),
  ),
]
