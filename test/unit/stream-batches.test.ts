/** How many items a consumer holds at a time: those are not to be had by others of its group. */
import { expect } from 'chai'
import { connect, StorageStream } from '../../runtime/index.js'
import type { Store } from '../../src/store.js'

interface Item {
  readonly n: number
  readonly bytes: Uint8Array
}

describe('items that a consumer fetches at once', () => {
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:?private')
  })
  afterEach(() => store.close())

  async function streamOf(count: number, kib: number): Promise<StorageStream<Item>> {
    const stream = await new StorageStream<Item>().makePersistent()
    for (let n = 1; n <= count; n++) await stream.append({ n, bytes: new Uint8Array(kib * 1024) })
    return stream
  }

  /** The first item that is left to others while one of them works on its `nth`. */
  async function firstLeft(stream: StorageStream<Item>, nth: number, batch?: number): Promise<number> {
    const holding = stream.consume(batch === undefined ? {} : { batch })
    for (let n = 1; n <= nth; n++) expect((await holding.next()).value?.n).to.equal(n)
    const { value } = await stream.consume({ batch: 1 }).next()
    await holding.return()
    return value!.n
  }

  it('are few at first, and then as many as have room', async () => {
    expect(await firstLeft(await streamOf(100, 1), 9)).to.equal(8 + 64 + 1)
    expect(await firstLeft(await streamOf(20, 1024), 9)).to.equal(8 + 3 + 1)
    expect(await firstLeft(await streamOf(10, 8 * 1024), 9)).to.equal(8 + 1 + 1)
  })

  it('are as many as are asked for, whatever their size', async () => {
    expect(await firstLeft(await streamOf(30, 1), 1, 20)).to.equal(21)
    expect(await firstLeft(await streamOf(30, 1024), 1, 20)).to.equal(21)
  })
})
