import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect, StorageObject, type Store, watch } from '../../runtime/index.js'

const PROGRAM = fileURLToPath(new URL('./watched-program.js', import.meta.url))

class Watched extends StorageObject {
  static readonly typeName = 'insitu/test#Watched'
  n = 0
}

describe('watch on an object that another process changes', () => {
  let folder: string
  let store: Store
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-watch-'))
    store = await connect(`nvram:${folder}`)
  })
  after(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('gives its changes in order, the last one always, and ends when that process deletes it', async () => {
    const times = 30
    const o = await store.run(() => new Watched().makePersistent())
    const child = spawn(process.execPath, [PROGRAM, store.url, o.getID()!, `${times}`], { stdio: ['pipe', 'inherit', 'inherit'] })
    const exit = once(child, 'exit')
    const seen: number[] = []
    for await (const { n } of store.run(() => watch(o))) {
      seen.push(n)
      if (n === times) child.stdin.write('delete it\n')
    }
    expect(await exit).to.deep.equal([0, null])
    expect(seen.at(-1)).to.equal(times)
    expect(seen).to.deep.equal([...new Set(seen)].sort((a, b) => a - b))
  }).timeout(30_000)
})
