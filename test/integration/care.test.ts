/** The commands that look after a store: gc, backup, fsck. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openBackend } from '../../runtime/open-backend.js'
import { CHUNK_CLASS } from '../../src/large-cells.js'
import { LARGE_CELL_BYTES } from '../../src/limits.js'
import { Store } from '../../src/store.js'
import { newThing, putOp, send } from '../unit/backend-spec.js'
import { assertOk, type Ended, insitu, type ProcessOptions } from './processes.js'

const jsonLines = ({ stdout }: Ended): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('command line: looking after a store', function () {
  this.timeout(60_000)
  let folder: string
  let on: ProcessOptions
  const [named, orphan] = [newThing(), newThing()]

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-care-'))
    on = { storage: `nvram:${join(folder, 'store')}`, stateFolder: folder }
    const backend = await openBackend(on.storage!)
    await send(backend, putOp(named, { v: 1 }), { do: 'name', alias: 'named', expect: null, to: named })
    await send(backend, putOp(orphan, { text: 'y'.repeat(3000) }))
    await backend.close()
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('backup copies, refuses to go over anything, and says what cannot be copied', async () => {
    const to = join(folder, 'backup')
    const [line] = jsonLines(assertOk(await insitu(['backup', to, '--json'], on)))
    expect(line).to.deep.equal({ backup: to, of: on.storage })
    expect((await insitu(['backup', to], on)).code).to.equal(2)
    expect((await insitu(['backup', join(folder, 'x'), '--storage', 'memory:'], on)).code).to.equal(3)
    expect(jsonLines(assertOk(await insitu(['ls', '--all', '--json', '--storage', `nvram:${to}`], on)))).to.have.lengthOf(2)
  })

  it('fsck says 0 for a sound file, 1 for damage, 3 for what it cannot check; --salvage saves the rest', async () => {
    expect(jsonLines(assertOk(await insitu(['fsck', '--json'], on))).at(-1)!['summary']).to.include({ damaged: 0 })
    const bad = join(folder, 'bad')
    assertOk(await insitu(['backup', bad], on))
    const bytes = await readFile(join(bad, 'data.mdb'))
    bytes[bytes.indexOf('yyyyyyyy') + 100] = 0
    await writeFile(join(bad, 'data.mdb'), bytes)
    const to = join(folder, 'rescued')
    const ended = await insitu(['fsck', '--json', '--storage', `nvram:${bad}`, '--salvage', to], on)
    expect(ended.code).to.equal(1)
    expect(jsonLines(ended)[0]).to.include({ kind: 'record', what: `Object ${orphan.id}` })
    const all = jsonLines(assertOk(await insitu(['ls', '--all', '--json', '--storage', `nvram:${to}`], on)))
    expect(all).to.deep.equal([{ alias: 'named', class: named.classId, id: named.id }])
    for (const storage of [`nvram:${join(folder, 'nowhere')}`, 'memory:'])
      expect((await insitu(['fsck', '--storage', storage], on)).code).to.equal(3)
  })

  it('gc leaves what is young, says what would go, and removes it', async () => {
    const gc = async (...args: string[]): Promise<Record<string, unknown>[]> =>
      jsonLines(assertOk(await insitu(['gc', '--json', ...args], on)))
    expect(await gc()).to.have.lengthOf(1)
    const dry = await gc('--dry-run', '--older-than', '0')
    expect(dry[0]).to.include({ wouldRemove: 'object', name: orphan.id, class: orphan.classId })
    const done = await gc('--older-than', '0s')
    expect(done[0]).to.include({ removed: 'object', name: orphan.id })
    expect(done.at(-1)!['summary']).to.include({ object: 1, restored: 0, dryRun: false })
    expect(jsonLines(await insitu(['ls', '--all', '--json'], on))).to.have.lengthOf(1)
    expect((await insitu(['gc', '--older-than', 'yesterday'], on)).code).to.equal(2)
  })

  it('show and rm take objects with fields in chunks for what they are', async () => {
    const storage = `nvram:${join(folder, 'large')}`
    const store = new Store(await openBackend(storage))
    const large = newThing()
    await store.commit([
      putOp(large, { bytes: new Uint8Array(LARGE_CELL_BYTES + 1) }),
      { do: 'name', alias: 'large', expect: null, to: large },
    ])
    await store.close()
    const [shown] = jsonLines(assertOk(await insitu(['show', 'large', '--json', '--storage', storage])))
    expect((shown!['fields'] as { name: string }[]).map(({ name }) => name)).to.deep.equal(['bytes'])
    const chunks = ['ls', '--all', '--json', '--class', CHUNK_CLASS, '--storage', storage]
    expect(jsonLines(assertOk(await insitu(chunks)))).to.not.be.empty
    assertOk(await insitu(['rm', 'large', '--storage', storage]))
    for (const which of [[], ['--class', CHUNK_CLASS]])
      expect(assertOk(await insitu(['ls', '--all', ...which, '--storage', storage])).stdout, which.join(' ')).to.equal('')
  })

  it('gc keeps what another store refers to, when told of it', async () => {
    const [here, there] = [join(folder, 'here'), join(folder, 'there')].map((path) => `nvram:${path}`) as [string, string]
    const [a, b] = await Promise.all([openBackend(here), openBackend(there)])
    const [far, from] = [newThing(), newThing()]
    await send(a, putOp(far, {}))
    await send(b, putOp(from, { far: Object.assign(far, { store: here }) }))
    await a.close()
    await b.close()
    const [kept] = jsonLines(assertOk(await insitu(['gc', '--json', '--older-than', '0', '--storage', here, '--referred-by', there], on)))
    expect(kept!['summary']).to.include({ object: 0 })
    const gone = jsonLines(assertOk(await insitu(['gc', '--json', '--older-than', '0', '--storage', here], on)))
    expect(gone.at(-1)!['summary']).to.include({ object: 1 })
  })
})
