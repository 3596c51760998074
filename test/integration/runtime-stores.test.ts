/** Tasks of a program with several stores open: arguments, references, results and commits that span them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { barrier, connect, finish, type Id, type Store } from '../../runtime/index.js'
import { Store as AnyStore } from '../../src/store.js'
import * as t from './store-tasks.js'
import { thrown } from './thrown.js'

const ways: Record<string, { readonly urls: (folder: string) => readonly [string, string]; readonly env?: Record<string, string> }> = {
  'two files': { urls: (folder) => [`nvram:${folder}/a`, `nvram:${folder}/b`] },
  'memory and a file, on processes': {
    urls: (folder) => [`memory:${folder}`, `nvram:${folder}/b`],
    env: { INSITU_ISOLATION: 'process' },
  },
  'memory of three domains': { urls: (folder) => [`memory:${folder}-a?domains=3`, `memory:${folder}-b?domains=3`] },
  'two files, with the runtime off': { urls: (folder) => [`nvram:${folder}/a`, `nvram:${folder}/b`], env: { INSITU_RUNTIME: 'off' } },
}

for (const [way, { urls, env = {} }] of Object.entries(ways))
  describe(`tasks over several stores: ${way}`, function () {
    this.timeout(60_000)
    let folder: string
    let a: Store
    let b: Store
    let here: t.Folder
    let there: t.Folder

    before(async () => {
      Object.assign(process.env, env)
      folder = await mkdtemp(join(tmpdir(), 'insitu-task-stores-'))
      const [first, second] = urls(folder)
      b = await connect(second)
      a = await connect(first)
    })
    after(async () => {
      await finish()
      await a.close()
      await b.close()
      for (const name of Object.keys(env)) delete process.env[name]
      await rm(folder, { recursive: true, force: true })
    })
    beforeEach(async () => {
      there = await b.run(() => new t.Folder().makePersistent())
      here = await a.run(() => Object.assign(new t.Folder(), { beside: there }).makePersistent())
    })

    /** As the store has it. */
    const stored = async (store: Store, { id }: { readonly id: Id }): Promise<number> =>
      new AnyStore((store as AnyStore).backend).run(async () => (await t.Folder.getByID(id)).pages)
    const pages = async (): Promise<number[]> => [await stored(a, { id: here.getID()! }), await stored(b, { id: there.getID()! })]

    it('a body follows a reference into another store; what it gives back is the same instance here', async () => {
      expect(await t.turnBeside(here)).to.equal(there)
      expect(await pages()).to.deep.equal([0, 1])
    })

    it('an object of another store is an argument like any other', async () => {
      expect(await t.turn(there)).to.equal(1)
      expect(await b.run(() => t.turn(there))).to.equal(2)
      expect(await t.pagesOf([here, there])).to.deep.equal([0, 2])
    })

    it('one task changes objects and rows of both, at once', async () => {
      expect(await t.turnBoth(here, there, 'one')).to.deep.equal([there, here])
      expect(await pages()).to.deep.equal([1, 1])
      expect(await t.titlesIn(there.titles)).to.equal(1)
      expect(await b.run(() => t.titlesIn(there.titles))).to.equal(1)
    })

    it('one that fails has changed neither', async () => {
      expect(await thrown(() => t.failAfterBoth(here, there))).to.have.property('message', 'after both')
      expect(await pages()).to.deep.equal([0, 0])
    })

    it('after a barrier the instances of both stores are what tasks made of them', async () => {
      void t.turnBeside(here)
      void t.turn(here)
      void t.turn(there)
      await barrier()
      expect([here.pages, there.pages]).to.deep.equal([1, 2])
    })
  })
