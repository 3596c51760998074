/** Large memory inside units of work: whether it has changed is found by comparing bytes with the cell as it was read. */
import { expect } from 'chai'
import { connect, StorageObject, transact } from '../../runtime/index.js'
import { stateOf } from '../../src/objects/storage-object.js'
import type { Store } from '../../src/store.js'

class Signal extends StorageObject {
  name = 'a'
  samples: object = new Float64Array(4096)
  other: unknown = null
}

describe('large memory in a unit of work', () => {
  let nth = 0
  let url: string
  let store: Store
  let signal: Signal

  beforeEach(async () => {
    url = `memory:kept-${nth++}`
    store = await connect(url)
    signal = await Object.assign(new Signal(), { samples: Float64Array.from({ length: 4096 }, (_, i) => i) }).makePersistent('signal')
  })
  afterEach(() => store.close())

  const revision = (): number => stateOf(signal).stamp!.revision

  /** By how much the stored object's revision rises when a transaction does this to it; then what is stored is read anew. */
  async function changes(body: (found: Signal) => void): Promise<number> {
    const before = revision()
    await transact(async () => body(await Signal.getByAlias('signal')))
    await signal.reload()
    return revision() - before
  }

  const samples = (): Float64Array => signal.samples as Float64Array

  it('is not written again when it was only read, or was put back', async () => {
    expect(await changes((found) => expect([...stateOf(found).base.values()].some(isCell), 'its cell is kept').to.equal(true))).to.equal(0)
    expect(await changes((found) => void (found.samples as Float64Array).fill(3).set(samples()))).to.equal(0)
    expect(await changes((found) => void (found.samples = (found.samples as Float64Array).slice()))).to.equal(0)
  })

  it('is written when one element changes, in any place, or its length or kind does', async () => {
    for (const at of [0, 17, 4095]) expect(await changes((found) => void ((found.samples as Float64Array)[at] = -1))).to.equal(1)
    expect([samples()[0], samples()[17], samples()[4095], samples()[18]]).to.deep.equal([-1, -1, -1, 18])
    expect(await changes((found) => void (found.samples = samples().slice(0, 4000)))).to.equal(1)
    expect(samples().length).to.equal(4000)
    expect(await changes((found) => void (found.samples = new BigUint64Array(samples().slice().buffer)))).to.equal(1)
    expect(signal.samples).to.be.instanceOf(BigUint64Array)
    const { buffer } = signal.samples as BigUint64Array
    expect(await changes((found) => void (found.samples = new Uint8Array(buffer)))).to.equal(1)
    expect(signal.samples).to.be.instanceOf(Uint8Array)
    expect(await changes((found) => void ((found.samples as Uint8Array)[5]! ^= 1))).to.equal(1)
    expect(await changes((found) => void (found.samples = Buffer.from(found.samples as Uint8Array)))).to.equal(1)
    expect(Buffer.isBuffer(signal.samples)).to.equal(true)
  })

  it('stays as it is when another field changes', async () => {
    expect(await changes((found) => void (found.name = 'b'))).to.equal(1)
    expect([signal.name, samples()[4095]]).to.deep.equal(['b', 4095])
  })

  it('is noticed when a second field comes to hold it, and when it does so no longer', async () => {
    expect(await changes((found) => void (found.other = found.samples))).to.equal(1)
    expect(signal.other).to.equal(signal.samples)
    expect(await changes((found) => void (found.other as Float64Array).at(0))).to.equal(0)
    expect(await changes((found) => void (found.other = null))).to.equal(1)
    expect([signal.other, samples()[4095]]).to.deep.equal([null, 4095])
  })

  it('is found changed after the unit too, by the program that goes on with the instance', async () => {
    const found = await transact(() => Signal.getByAlias('signal'))
    const before = stateOf(found).stamp!.revision
    await found.save()
    expect(stateOf(found).stamp!.revision).to.equal(before)
    ;(found.samples as Float64Array)[100] = 0.5
    await found.save()
    expect(stateOf(found).stamp!.revision).to.equal(before + 1)
    for (const print of stateOf(found).base.values()) expect(isCell(print), 'a cell is kept').to.equal(false)
  })

  it('is not kept longer than the unit lasts', async () => {
    const other = await connect(url)
    try {
      const found = await other.run(() => transact(() => Signal.getByAlias('signal')))
      expect(found).to.not.equal(signal)
      for (const print of stateOf(found).base.values()) expect(isCell(print), 'a cell is kept').to.equal(false)
      await found.save()
      expect(stateOf(found).stamp!.revision).to.equal(revision())
      ;(found.samples as Float64Array)[1] = 0.5
      await found.save()
      expect(stateOf(found).stamp!.revision).to.equal(revision() + 1)
    } finally {
      await other.close()
    }
  })
})

describe('a long text in a unit of work', () => {
  const LONG = 'é'.repeat(700_000)

  class Page extends StorageObject {
    text = LONG
    other: string | null = null
  }

  it('is written when it is another one, and only then', async () => {
    const store = await connect('memory:kept-texts')
    try {
      const page = await new Page().makePersistent('page')
      const changes = async (body: (found: Page) => void): Promise<number> => {
        const before = stateOf(page).stamp!.revision
        await transact(async () => body(await Page.getByAlias('page')))
        await page.reload()
        return stateOf(page).stamp!.revision - before
      }
      expect(await changes((found) => expect(found.text.length).to.equal(700_000))).to.equal(0)
      expect(await changes((found) => void (found.text = `${'é'.repeat(699_999)}é`))).to.equal(0)
      expect(await changes((found) => void (found.other = found.text))).to.equal(1)
      expect(await changes((found) => void (found.other = null))).to.equal(1)
      expect(await changes((found) => void (found.text = `${'é'.repeat(699_999)}e`))).to.equal(1)
      expect(page.text.endsWith('ée')).to.equal(true)
      expect(await changes((found) => void (found.text = '\0'.repeat(2_000)))).to.equal(1)
      expect(await changes((found) => void (found.text = 'short'))).to.equal(1)
      expect(page.text).to.equal('short')
    } finally {
      await store.close()
    }
  })

  it('is no more than a digest to the program that goes on with the instance', async () => {
    const store = await connect('memory:kept-texts-after')
    try {
      await new Page().makePersistent('page')
      const found = await transact(() => Page.getByAlias('page'))
      for (const print of stateOf(found).base.values()) expect(isCell(print), 'a text is kept').to.equal(false)
      const { revision } = stateOf(found).stamp!
      await found.save()
      expect(stateOf(found).stamp!.revision).to.equal(revision)
      found.text += '!'
      await found.save()
      expect(stateOf(found).stamp!.revision).to.equal(revision + 1)
    } finally {
      await store.close()
    }
  })
})

const isCell = (print: unknown): boolean => typeof print === 'object' && print !== null
