/** The commands and the examples on Cassandra: a url is all that changes. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, Ref } from '../../src/backend.js'
import { put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { assertOk, type Ended, insitu, node, type ProcessOptions, wordcount } from '../integration/processes.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { root } from '../tools/test-files.js'
import { failureOf, Keyspace, rawClient, siteFor } from './kit.js'

const example = (name: string): string => join(root, `dist/examples/${name}.js`)
const sorted = (text: string): string[] => text.trimEnd().split('\n').sort()
const jsonLines = ({ stdout }: Ended): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('cassandra: commands and examples', function () {
  this.timeout(600_000)
  let site: CassandraSite
  let folder: string
  const made: Keyspace[] = []
  before(async function () {
    site = await siteFor(this)
    folder = await mkdtemp(join(tmpdir(), 'insitu-cassandra-commands-'))
  })
  after(async () => {
    for (const keyspace of made) await keyspace.drop()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  async function fresh(): Promise<Keyspace> {
    const keyspace = await Keyspace.on(site)
    made.push(keyspace)
    return keyspace
  }

  describe('commands', () => {
    let keyspace: Keyspace
    let backend: Backend
    let on: ProcessOptions
    let named: Ref
    let orphan: Ref
    beforeEach(async () => {
      keyspace = await fresh()
      backend = await keyspace.open()
      on = { storage: backend.url, stateFolder: folder }
      ;[named, orphan] = [thing(), thing()]
      await send(backend, put(named, { v: 1, large: new Uint8Array(600_000) }))
      await send(backend, { do: 'name', alias: 'named', expect: null, to: named })
      await send(backend, put(orphan, { v: 2 }))
    })
    afterEach(() => backend.close())

    it('ls, show, get, rm and doctor see what stands', async () => {
      const line = { alias: 'named', class: named.classId, id: named.id }
      assert.deepEqual(jsonLines(assertOk(await insitu(['ls', '--json'], on))), [line])
      assert.match(assertOk(await insitu(['show', 'named'], on)).stdout, /large/)
      assert.match(assertOk(await insitu(['get', orphan.id], on)).stdout, /2/)
      assertOk(await insitu(['rm', 'named'], on))
      assert.deepEqual(await backend.read([named]), [undefined])
      assert.match(assertOk(await insitu(['doctor'], on)).stdout, /it gives committed/)
      assert.equal((await insitu(['backup', join(folder, 'x')], on)).code, 3)
    })

    it('gc removes what no name leads to, and leaves what one does', async () => {
      const table = await tableOn(backend)
      await send(backend, row(table.id, ['p', 1n], [1n, 'x', undefined]))
      assertOk(await insitu(['gc', '--older-than', '0s'], on))
      assert.deepEqual(
        (await backend.read([orphan, table.owner, named])).map((one) => one !== undefined),
        [false, false, true],
      )
      assert.equal(await backend.table(table.id), undefined)
    })

    it('fsck finds nothing in a sound store, and names what is damaged', async () => {
      const table = await tableOn(backend)
      await send(backend, row(table.id, ['p', 1n], [1n, 'x', undefined]), row(table.id, ['p', 2n], [1n, 'x', undefined]))
      const [sound] = jsonLines(assertOk(await insitu(['fsck', '--json'], on)))
      assert.deepEqual(sound, { summary: { damaged: 0, dangling: 0, records: { objects: 3, names: 1, rows: 2 } } })
      const raw = await rawClient(site)
      await raw.execute(`TRUNCATE ${keyspace.name}.insitu_chunks`)
      await raw.shutdown()
      const error = await failureOf(() => backend.read([named]))
      assert.equal(error.code, 'ERR_CORRUPT')
      await send(backend, { do: 'remove', ref: table.owner, expect: 'present' })
      const ended = await insitu(['fsck', '--json'], on)
      assert.equal(ended.code, 1)
      assert.deepEqual(
        jsonLines(ended)
          .slice(0, -1)
          .map(({ kind, what }) => `${String(kind)} ${String(what)}`),
        [`record Object ${named.id}`, `reference Table ${table.id}`],
      )
    })
  })

  it('wordcount counts what the plain program counts', async () => {
    const texts = join(folder, 'texts')
    await mkdir(texts)
    for (let i = 0; i < 4; i++) await writeFile(join(texts, `${i}.txt`), `to be or not to be ${'word '.repeat(i)}`.repeat(50))
    const on = { storage: (await fresh()).url, stateFolder: folder }
    const expected = sorted(assertOk(await wordcount('sequential', [texts])).stdout)
    assertOk(await wordcount('producer', [texts, 'data'], on))
    assert.deepEqual(sorted(assertOk(await wordcount('consumer', ['data', 'result'], on)).stdout), expected)
    assertOk(await wordcount('cleaner', ['data'], on))
  })

  it('bank: money moves between two keyspaces, and none is lost', async () => {
    const stores = [(await fresh()).url, (await fresh()).url]
    const tellers = await Promise.all(['anna', 'bert'].map((name) => node([example('bank/teller'), name, '10', ...stores])))
    for (const teller of tellers) assert.match(assertOk(teller).stdout, /10 transfers/)
    assert.equal(assertOk(await node([example('bank/audit'), ...stores])).stdout, '10000 in 10 accounts of two stores\n')
  })

  it('histogram finds what it finds on a file', async () => {
    const run = async (url: string): Promise<readonly string[]> =>
      assertOk(await insitu(['run', '--storage', url, example('histogram/main'), '3'], { stateFolder: folder }))
        .stdout.trimEnd()
        .split('\n')
        .slice(0, 16)
    assert.deepEqual(await run((await fresh()).url), await run(`nvram:${join(folder, 'file')}`))
  })
})
