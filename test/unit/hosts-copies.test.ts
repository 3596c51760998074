/** Copies of objects with large fields, in the file of another host: nothing of an old copy is left behind. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { copiesIn, dropCopy, keepCopy } from '../../runtime/hosts/copies.js'
import { type Backend, type Cell, Packed, Ref, type Stored } from '../../src/backend.js'
import { encodeWire } from '../../src/codec/wire.js'
import { type ClassId, newCommitId, newId } from '../../src/ids.js'
import { chunksIn } from '../../src/large-cells.js'

const MANIFEST = 0xfe

describe('copies of objects with fields in chunks', () => {
  let file: Backend
  beforeEach(async () => {
    file = createBackend('memory:?private')
    await file.open()
  })
  afterEach(() => file.close())

  const storedAs = (ref: Ref, cells: ReadonlyMap<string, Cell>): Stored => ({
    ref,
    stamp: { revision: 1, commit: newCommitId() },
    bytes: 1,
    cells,
  })
  const large = (ref: Ref, chunks: readonly string[]): Stored =>
    storedAs(
      ref,
      new Map([['bytes', new Packed(Buffer.concat([Buffer.of(MANIFEST), encodeWire({ kind: 'blob', bytes: 1, chunks } as never)]))]]),
    )
  const keepAll = async (stored: Stored): Promise<readonly Ref[]> => {
    await keepCopy(file, stored)
    const chunks = chunksIn(stored.cells)
    for (const chunk of chunks) await keepCopy(file, storedAs(chunk, new Map([['bytes', Buffer.of(1)]])))
    return chunks
  }
  const count = async (): Promise<number> => {
    let records = 0
    for await (const page of file.objects({})) records += page.length
    return records
  }

  it('a newer copy takes the chunks along that only the older one had', async () => {
    const ref = new Ref(newId(), 'test#Large' as ClassId)
    const [both, first, second] = [newId(), newId(), newId()]
    const old = await keepAll(large(ref, [both, first]))
    expect(await count()).to.equal(3)
    const now = await keepAll(large(ref, [both, second]))
    expect(await count()).to.equal(3)
    expect((await copiesIn(file, now)).every(Boolean)).to.equal(true)
    expect((await copiesIn(file, old)).map(Boolean)).to.deep.equal([true, false])
    await keepCopy(file, storedAs(ref, new Map([['bytes', Buffer.of(1)]])))
    expect(await count()).to.equal(1)
  })

  it('a copy that is dropped takes its chunks along', async () => {
    const ref = new Ref(newId(), 'test#Large' as ClassId)
    await keepAll(large(ref, [newId(), newId()]))
    await dropCopy(file, ref)
    await dropCopy(file, ref)
    expect(await count()).to.equal(0)
  })
})
