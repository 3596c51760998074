/** Outcomes beyond what a mark takes: a worker that ends between its commit and its report loses none, and none is left in the store. */
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { barrier, connect, finish, init, type Store, stats, waitOn } from '../../runtime/index.js'
import { collect } from '../../src/gc/index.js'
import { newId } from '../../src/ids.js'
import { CHUNK_CLASS } from '../../src/large-cells.js'
import { CHUNK_BYTES } from '../../src/limits.js'
import { stateOf } from '../../src/objects/storage-object.js'
import * as t from './large-outcome-tasks.js'

const LARGE = 300_000

interface Setting {
  readonly env: NodeJS.ProcessEnv
  readonly isMemory?: boolean
  readonly ends: readonly t.End[]
}

const settings: Record<string, Setting> = {
  memory: { env: { INSITU_WORKERS: '2' }, isMemory: true, ends: ['exit'] },
  'a file': { env: { INSITU_WORKERS: '2' }, ends: ['exit'] },
  'a file, from processes': { env: { INSITU_WORKERS: '2', INSITU_ISOLATION: 'process' }, ends: [] },
  'logical hosts': { env: { INSITU_HOSTS: '3' }, ends: ['exit', 'kill'] },
}

async function chunksIn({ backend }: Store): Promise<number> {
  let count = 0
  for await (const page of backend.objects({ classId: CHUNK_CLASS })) count += page.length
  return count
}

async function nIn(store: Store, box: t.Box): Promise<unknown> {
  return (await store.read([stateOf(box).ref!]))[0]?.cells.get('n')
}

for (const [name, { env, isMemory, ends }] of Object.entries(settings))
  describe(`outcomes too large for their marks, on ${name}`, function () {
    this.timeout(60_000)
    let folder: string
    let store: Store
    let markers = 0

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-large-outcomes-'))
      await finish()
      Object.assign(process.env, env)
      store = await connect(isMemory ? `memory:${newId()}` : `nvram:${join(folder, 'store')}`)
      await init()
    })
    after(async () => {
      await finish()
      for (const key of Object.keys(env)) delete process.env[key]
      await rm(folder, { recursive: true, force: true })
    })

    const stored = (box: t.Box): Promise<unknown> => nIn(store, box)
    const noneLeft = async (): Promise<void> => {
      while ((await chunksIn(store)) > 0) await delay(5)
    }
    /** Lets a worker end once the store has what it committed. */
    const committed = async (box: t.Box, marker: string): Promise<void> => {
      while ((await stored(box)) !== 1 || !existsSync(marker)) await delay(5)
      writeFileSync(`${marker}.committed`, '')
    }

    for (const end of ends)
      it(`a worker that ends by ${end} after its commit has done its task, and its outcome is told`, async () => {
        const box = await new t.Box().makePersistent()
        const marker = join(folder, `marker-${markers++}`)
        const result = t.addAndEndOnce(box, LARGE, marker, end)
        const { lost } = stats()
        await committed(box, marker)
        expect(Buffer.compare(await result, new Uint8Array(LARGE).fill(1))).to.equal(0)
        expect(await stored(box)).to.equal(1)
        expect(stats().lost).to.be.greaterThan(lost!)
        await noneLeft()
      })

    it('a parent that runs again gets what its child had made', async () => {
      const box = await new t.Box().makePersistent()
      expect(await t.callAndEndOnce(box, LARGE, join(folder, `marker-${markers++}`))).to.deep.equal([LARGE, 1, 1])
      expect(await stored(box)).to.equal(1)
      await noneLeft()
    })

    it('the store has none any more once the program has them, while the run goes on', async () => {
      const boxes = await Promise.all(Array.from({ length: 8 }, () => new t.Box().makePersistent()))
      const made = await Promise.all(boxes.map((box) => t.add(box, LARGE)))
      expect(made.map(({ length }) => length)).to.deep.equal(boxes.map(() => LARGE))
      const into: Uint8Array[] = []
      t.addInto(boxes[0]!, into, LARGE)
      expect((await waitOn(into)).map(({ length }) => length)).to.deep.equal([LARGE])
      await barrier()
      await noneLeft()
    })
  })

/** Fail points end the process of a worker, or of a host. Chunks of more than one are stored before the mark, by themselves. */
describe('outcomes too large for their marks, of processes that end', function () {
  this.timeout(60_000)
  const processes = { INSITU_WORKERS: '1', INSITU_ISOLATION: 'process' }
  for (const [point, bytes, name, env] of [
    ['alone-done:1', LARGE, 'worker', processes],
    ['outcome-stored:2', CHUNK_BYTES + LARGE, 'worker', processes],
    ['alone-done:3', CHUNK_BYTES + LARGE, 'worker', processes],
    ['alone-done:3', CHUNK_BYTES + LARGE, 'host', { INSITU_HOSTS: '3' }],
  ] as const)
    it(`a ${name} at ${point}: its task is done once, and ${bytes} bytes are told`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'insitu-large-outcomes-'))
      await finish()
      Object.assign(process.env, env, { INSITU_FAILPOINT: point })
      try {
        const store = await connect(`nvram:${join(folder, 'store')}`)
        await init()
        const box = await new t.Box().makePersistent()
        await t.nothing()
        delete process.env['INSITU_FAILPOINT'] // whoever stands in goes on
        const made = await t.add(box, bytes)
        expect([made.length, made[0], made.at(-1), await nIn(store, box)]).to.deep.equal([bytes, 1, 1, 1])
        expect(stats().lost).to.be.greaterThan(0)
        const { chunk } = (await collect(store.backend, { nowMs: Date.now() + 7_200_000 })).counts
        expect([await chunksIn(store), chunk > 0]).to.deep.equal([0, !point.startsWith('alone-done')])
      } finally {
        await finish()
        for (const key of [...Object.keys(env), 'INSITU_FAILPOINT']) delete process.env[key]
        await rm(folder, { recursive: true, force: true })
      }
    })
})
