import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect, StorageObject } from '../../runtime/index.js'
import { CHUNK_CLASS } from '../../src/large-cells.js'
import { assertOk, node } from './processes.js'

class Valued extends StorageObject {
  value: Uint8Array | Float64Array = new Uint8Array(0)
}

const PROGRAM = fileURLToPath(new URL('./large-value.js', import.meta.url))
const MIB = 1024 * 1024
const MB = 1e6
/** Beside the value itself and the copy that leaves, or comes: some chunks that are collected later, and the engine. */
const BESIDE_BYTES = 200 * MB

describe('values of any size', function () {
  this.timeout(240_000)
  let folder = ''

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-large-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const program = async (role: 'store' | 'load', url: string, ...bytes: number[]): Promise<number> =>
    (JSON.parse(assertOk(await node([PROGRAM, role, url, ...bytes.map(String)])).stdout) as { peakBytes: number }).peakBytes

  it('from none at all to over the size of a chunked one come back in another program as they went in', async () => {
    const sizes = [0, 1, 4095, 4096, 16 * MIB, 16 * MIB + 1, 64 * MIB - 1, 64 * MIB, 64 * MIB + 1]
    await program('store', `nvram:${folder}`, ...sizes)
    await program('load', `nvram:${folder}`, ...sizes)
  })

  it('of 300 MB take the memory of one copy besides their own, on the way out and on the way in', async () => {
    const bytes = 300 * MB
    for (const role of ['store', 'load'] as const)
      expect(await program(role, `nvram:${folder}`, bytes), role).to.be.lessThan(2 * bytes + BESIDE_BYTES)
  })

  it('leave none of their chunks behind when their object is deleted', async () => {
    const plain = new Uint8Array(64 * MIB + 1)
    const packed = new Float64Array(8 * MIB + 1)
    for (const [url, value] of [
      ['memory:?private', packed],
      [`nvram:${folder}`, plain],
    ] as const) {
      const store = await connect(url)
      const chunkCount = async (): Promise<number> => {
        let count = 0
        for await (const page of store.backend.objects({ classId: CHUNK_CLASS })) count += page.length
        return count
      }
      await store.run(async () => {
        const o = await Object.assign(new Valued(), { value }).makePersistent()
        expect(await chunkCount()).to.equal(5)
        await o.deletePersistent()
      })
      expect(await chunkCount()).to.equal(0)
      await store.close()
    }
  })

  it('of 300 MB come back from memory, of one domain and of three', async () => {
    for (const url of ['memory:', 'memory:?domains=3']) {
      const { code, stdout, stderr } = await node([PROGRAM, 'both', url, String(300 * MB)])
      expect([code, stderr], stdout).to.deep.equal([0, ''])
    }
  })
})
