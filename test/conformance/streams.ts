import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { getByID, StorageStream, transact } from '../../runtime/index.js'
import type { Ref, StreamRead } from '../../src/backend.js'
import { NotFoundError, ValidationError, WrongClassError } from '../../src/errors.js'
import { stateOf } from '../../src/objects/storage-object.js'
import { type Case, type CaseContext, law, type Needs } from './case.js'
import { appendSquares, consumeAll } from './conformance-tasks.js'
import { refused, thrown } from './expect.js'
import { withMarker } from './is-first.js'
import { Item } from './model.js'

export const streams: Needs = (backend) => (backend.streams ? undefined : 'it has no streams')

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export async function taken<T>(items: AsyncIterable<T>, count = Number.POSITIVE_INFINITY): Promise<T[]> {
  const got: T[] = []
  if (count === 0) return got
  for await (const item of items) {
    got.push(item)
    if (got.length === count) break
  }
  return got
}

export const made = (ctx: CaseContext, name = 'stream'): Promise<StorageStream<unknown>> =>
  new StorageStream<unknown>().makePersistent(ctx.alias(name))

/** As another program has it. */
const elsewhere = <T>(ctx: CaseContext, body: (stream: StorageStream<unknown>) => Promise<T>, name = 'stream'): Promise<T> =>
  ctx.other(async () => body((await StorageStream.getByAlias(ctx.alias(name))) as StorageStream<unknown>))

/** Of a consumer that dies. */
const LEASE_MS = 300
/** By how much a server's clock may round, and another's timer be early. */
const CLOCK_MS = 20
const READ: StreamRead = { group: 'g', consumer: 'c', max: 100, leaseMs: 60_000 }
const refOf = (stream: StorageStream<unknown>): Ref => stateOf(stream).ref!
const bytes = (...texts: string[]): Uint8Array[] => texts.map((text) => Uint8Array.from(Buffer.from(text)))
const textsOf = (items: readonly (readonly [string, Uint8Array])[]): string[] => items.map(([, item]) => Buffer.from(item).toString())

/** Streams: appended items, consumers in groups, the end. */
export const streamCases: readonly Case[] = [
  law(
    'H78',
    'a hundred items and the end: a consumer gets them in order and stops, whoever starts first',
    async (ctx) => {
      const stream = await made(ctx)
      const early = elsewhere(ctx, (its) => taken(its.consume({ group: 'early' })))
      await sleep(20)
      for (const i of upTo(50)) await stream.append(i)
      await stream.append(...upTo(50).map((i) => 50 + i))
      await stream.end()
      assert.deepEqual(await early, upTo(100))
      assert.deepEqual(await elsewhere(ctx, (its) => taken(its.consume({ group: 'late' }))), upTo(100))
      assert.deepEqual(await taken(stream), upTo(100))
    },
    streams,
  ),

  law(
    'H79',
    'what is no stream cannot be read as one, and a stream that has ended takes nothing more',
    async (ctx) => {
      await new Item().makePersistent(ctx.alias('item'))
      await refused(WrongClassError, () => StorageStream.getByAlias(ctx.alias('item')))
      const stream = await made(ctx)
      await stream.append('a')
      await stream.end()
      await stream.end()
      const error = await refused(ValidationError, () => stream.append('b'))
      assert.equal(error.code, 'ERR_STREAM_ENDED')
      assert.deepEqual(await taken(stream), ['a'])
    },
    streams,
  ),

  law(
    'C43',
    'objects published by two producers are read once each by the consumers of a group, and a stream of an alias is one stream',
    async (ctx) => {
      const stream = await made(ctx)
      const publish = async (of: StorageStream<unknown>, from: number): Promise<void> => {
        for (const i of upTo(10)) await of.append(await Object.assign(new Item(), { text: `item ${from + i}` }).makePersistent())
      }
      const texts = async (its: StorageStream<unknown>): Promise<string[]> => {
        const got: string[] = []
        for await (const item of its.consume({ group: 'g', batch: 3 })) got.push((await (item as Item).load()).text)
        return got
      }
      const consumers = [elsewhere(ctx, texts), elsewhere(ctx, texts)]
      await Promise.all([publish(stream, 0), elsewhere(ctx, (its) => publish(its, 10))])
      await stream.end()
      const got = (await Promise.all(consumers)).flat()
      assert.deepEqual(
        got.sort(),
        upTo(20)
          .map((i) => `item ${i}`)
          .sort(),
      )
    },
    streams,
  ),

  law(
    'I160',
    'items of every kind come back as they went in',
    async (ctx) => {
      const stream = await made(ctx)
      const items = [
        null,
        undefined,
        true,
        1.5,
        -0,
        2n ** 80n,
        'text',
        Uint8Array.of(1, 2),
        new Float64Array([1, 2]),
        new Date(5),
        new Map([['a', [1]]]),
        { deep: { er: [new Set([1])] } },
      ]
      await stream.append(...items)
      await stream.end()
      assert.deepEqual(await elsewhere(ctx, (its) => taken(its)), items)
    },
    streams,
  ),

  law(
    'I161',
    'each group gets every item, from the first, whenever it begins',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append('a', 'b')
      assert.deepEqual(await taken(stream.consume({ group: 'one' }), 2), ['a', 'b'])
      await stream.append('c')
      assert.deepEqual(await taken(stream.consume({ group: 'one' }), 1), ['c'])
      assert.deepEqual(await taken(stream.consume({ group: 'two' }), 3), ['a', 'b', 'c'])
      // Two that only their last letter tells apart, longer than any store's key.
      for (const group of ['1', '2'].map((last) => 'g'.repeat(5000) + last))
        assert.deepEqual(await taken(stream.consume({ group }), 3), ['a', 'b', 'c'])
    },
    streams,
  ),

  law(
    'I162',
    'a loop that is left has consumed what it was given, and gives back the rest at once',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append(...upTo(10))
      assert.deepEqual(await taken(stream, 4), [0, 1, 2, 3])
      assert.deepEqual(await elsewhere(ctx, (its) => taken(its, 6)), [4, 5, 6, 7, 8, 9])
    },
    streams,
  ),

  law(
    'I163',
    'what a consumer had fetched when it died goes to another of its group when its lease is over',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append('a', 'b', 'c')
      await stream.end()
      const { streams: store } = ctx.store.backend
      const begun = performance.now()
      const dead = await store!.read(refOf(stream), { ...READ, consumer: 'dead', max: 2, leaseMs: LEASE_MS })
      assert.equal(dead.length, 2)
      await store!.ack(refOf(stream), 'g', [dead[0]![0]])
      const cameAfterMs = new Map<unknown, number>()
      const got = await elsewhere(ctx, async (its) => {
        const items: unknown[] = []
        for await (const item of its.consume({ group: 'g' })) {
          items.push(item)
          cameAfterMs.set(item, performance.now() - begun)
        }
        return items
      })
      // Where the other one came to it late the lease was over by then, and what was given back is the older.
      assert.deepEqual([...got].sort(), ['b', 'c'])
      if (cameAfterMs.get('c')! < LEASE_MS) assert.deepEqual(got, ['c', 'b'])
      assert.ok(cameAfterMs.get('b')! > LEASE_MS - CLOCK_MS, 'before its lease was over')
    },
    streams,
  ),

  law(
    'I164',
    'the same items of a producer again are appended once',
    async (ctx) => {
      const stream = await made(ctx)
      const { streams: store } = ctx.store.backend
      const ref = refOf(stream)
      await store!.append(ref, 'p', 0, bytes('a', 'b'))
      await store!.append(ref, 'p', 0, bytes('a', 'b'))
      await store!.append(ref, 'p', 1, bytes('b', 'c'))
      await store!.append(ref, 'q', 0, bytes('d'))
      await store!.append(ref, 'p', 7, bytes('e'))
      assert.deepEqual(textsOf(await store!.read(ref, READ)), ['a', 'b', 'c', 'd', 'e'])
      await store!.end(ref)
      await store!.append(ref, 'p', 7, bytes('e'))
    },
    streams,
  ),

  law(
    'I165',
    'a read that waits can be given up, and takes nothing then',
    async (ctx) => {
      const stream = await made(ctx)
      const { streams: store } = ctx.store.backend
      const stop = new AbortController()
      const waiting = store!.read(refOf(stream), READ, stop.signal)
      await sleep(30)
      stop.abort(new RangeError('enough'))
      assert.ok((await thrown(() => waiting)) instanceof RangeError)
      await stream.append('a')
      assert.equal((await store!.read(refOf(stream), { ...READ, consumer: 'other' })).length, 1)
      assert.ok((await thrown(() => taken(stream.consume({ group: 'h', signal: stop.signal })))) instanceof RangeError)
    },
    streams,
  ),

  law(
    'I166',
    'a volatile object, a function or a stream that is volatile is refused, and nothing is appended',
    async (ctx) => {
      await refused(ValidationError, () => new StorageStream<unknown>().append(1))
      const stream = await made(ctx)
      for (const item of [new Item(), () => 1, { deep: [Symbol('s')] }]) await refused(ValidationError, () => stream.append('a', item))
      const error = await refused(ValidationError, () => transact(async () => stream.append(await new Item().makePersistent())))
      assert.equal(error.code, 'ERR_STREAM_ITEM')
      await refused(ValidationError, () => taken(stream.consume({ batch: 0 })))
      await stream.append('b')
      assert.deepEqual(await taken(stream, 1), ['b'])
    },
    streams,
  ),

  law(
    'I167',
    'a deleted stream is gone with its items, for readers that wait as well',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append('a')
      const ref = refOf(stream)
      const { streams: store } = ctx.store.backend
      await taken(stream, 1)
      const waiting = elsewhere(ctx, (its) => taken(its))
      waiting.catch(() => {}) // looked at once the stream is gone
      await sleep(30)
      await stream.deletePersistent()
      await refused(NotFoundError, () => waiting)
      await refused(NotFoundError, () => store!.append(ref, 'p', 0, bytes('x')))
      await refused(NotFoundError, () => store!.read(ref, READ))
      await store!.drop(ref)
      const again = await stream.makePersistent()
      await again.append('b')
      assert.deepEqual(await taken(again, 1), ['b'])
    },
    streams,
  ),

  law(
    'I168',
    'many appends at once of one program arrive in the order of the calls',
    async (ctx) => {
      const stream = await made(ctx)
      await Promise.all(upTo(50).map((i) => stream.append(i)))
      await stream.end()
      assert.deepEqual(await taken(stream), upTo(50))
    },
    streams,
  ),

  law(
    'I169',
    'tasks append and consume; one that runs again appends nothing twice',
    async (ctx) => {
      const stream = await made(ctx)
      await withMarker(async (marker) => assert.equal(await appendSquares(stream, 5, marker), 5))
      await stream.end()
      assert.deepEqual(await consumeAll(stream, 'tasks'), [0, 1, 4, 9, 16])
      assert.deepEqual(await taken(stream), [0, 1, 4, 9, 16])
    },
    streams,
  ),

  law(
    'I170',
    'a stream in a field is stored with its object, and found through it',
    async (ctx) => {
      const holder = new Item() as Item & { feed?: StorageStream<unknown> }
      holder.feed = new StorageStream<unknown>()
      await holder.makePersistent(ctx.alias('holder'))
      await holder.feed.append('a')
      const got = await ctx.other(async () => {
        const its = (await Item.getByAlias(ctx.alias('holder'))) as typeof holder
        return taken(its.feed!, 1)
      })
      assert.deepEqual(got, ['a'])
      assert.ok((await getByID(holder.feed.getID()!)) instanceof StorageStream)
    },
    streams,
  ),

  law(
    'I274',
    'a stream that is new in its unit of work says so to whoever appends, ends or consumes, and is there afterwards',
    async (ctx) => {
      await transact(async () => {
        const stream = await made(ctx)
        for (const use of [() => stream.append('x'), () => stream.end(), () => taken(stream.consume())]) {
          const { code } = await refused(ValidationError, use)
          assert.equal(code, 'ERR_NOT_PERSISTENT')
        }
      })
      const stream = await StorageStream.getByAlias(ctx.alias('stream'))
      await stream.append('a')
      assert.deepEqual(await taken(stream, 1), ['a'])
    },
    streams,
  ),

  law(
    'I289',
    'a consumer that is given a time is ended by a TimeoutError, and others go on with what it has not had',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append('a', 'b')
      const got: unknown[] = []
      const late = await thrown(async () => {
        for await (const item of stream.consume({ timeoutMs: 60 })) got.push(item)
      })
      assert.deepEqual([(late as Error).name, got], ['TimeoutError', ['a', 'b']])
      await stream.append('c')
      assert.deepEqual(await taken(stream, 1), ['c'])
      await refused(ValidationError, () => taken(stream.consume({ timeoutMs: -1 })))
    },
    streams,
  ),

  law(
    'I360',
    'what a dead consumer had fetched comes to the next, however much one who is alive holds before it',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append(...upTo(60))
      const { streams: store } = ctx.store.backend
      const slow = await store!.read(refOf(stream), { ...READ, consumer: 'slow', max: 40 })
      const dead = await store!.read(refOf(stream), { ...READ, consumer: 'dead', max: 20, leaseMs: 1 })
      assert.deepEqual([slow.length, dead.length], [40, 20])
      const got = await elsewhere(ctx, (its) => taken(its.consume({ group: 'g', batch: 1 }), 20))
      assert.deepEqual(got, upTo(60).slice(40))
    },
    streams,
  ),

  law(
    'I361',
    'a consumer gets as many items at once as it asks for, and gives them back',
    async (ctx) => {
      const stream = await made(ctx)
      for (const first of [0, 3000, 6000]) await stream.append(...upTo(3000).map((i) => first + i))
      await stream.end()
      const { streams: store } = ctx.store.backend
      const all = await store!.read(refOf(stream), { ...READ, max: 10_000 })
      assert.equal(all.length, 9000)
      await store!.release(
        refOf(stream),
        'g',
        all.map(([id]) => id),
      )
      assert.deepEqual(await elsewhere(ctx, (its) => taken(its.consume({ group: 'g', batch: 10_000 }))), upTo(9000))
    },
    streams,
  ),

  law(
    'I512',
    'names of groups and consumers are well-formed texts, of any characters and any length',
    async (ctx) => {
      const stream = await made(ctx)
      await stream.append(1)
      await stream.end()
      for (const name of ['', 5, {}, '\ud800'] as never[])
        for (const options of [{ group: name }, { consumer: name }]) await refused(ValidationError, () => taken(stream.consume(options)))
      const long = 'é'.repeat(2500)
      assert.deepEqual(await taken(stream.consume({ group: long, consumer: long })), [1])
      assert.deepEqual(await taken(stream.consume({ group: long })), [])
      for (const group of [`${long.slice(1)}xy`, '__proto__', '\0', '\u{1f600}'])
        assert.deepEqual(await taken(stream.consume({ group })), [1])
    },
    streams,
  ),
]
