/** The commands, and what they stand on, on Redis. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, Intent, Op, Ref } from '../../src/backend.js'
import { newCommitId } from '../../src/ids.js'
import { cells, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { assertOk, type Ended, insitu, type ProcessOptions } from '../integration/processes.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { freshNamespace, openAt } from './kit.js'

const jsonLines = ({ stdout }: Ended): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

for (const [name, start] of [
  ['redis', () => RedisServer.start()],
  ['redis+cluster', () => RedisCluster.start()],
] as const)
  describe(`${name}: commands`, function () {
    this.timeout(120_000)
    let server: RedisServer | RedisCluster
    let folder: string
    let namespace: string
    let backend: Backend
    let on: ProcessOptions
    let named: Ref
    let orphan: Ref
    before(async function () {
      this.timeout(300_000)
      requireRedis(this)
      server = await start()
      folder = await mkdtemp(join(tmpdir(), 'insitu-redis-care-'))
    })
    after(async () => {
      await server?.stop()
      if (folder) await rm(folder, { recursive: true, force: true })
    })
    beforeEach(async () => {
      namespace = freshNamespace()
      backend = await openAt(server, { namespace })
      on = { storage: backend.url, stateFolder: folder }
      ;[named, orphan] = [thing(), thing()]
      await send(backend, put(named, { v: 1, large: new Uint8Array(50_000) }))
      await send(backend, { do: 'name', alias: 'named', expect: null, to: named })
      await send(backend, put(orphan, { v: 2 }))
    })
    afterEach(() => backend.close())

    /** redis-cli at the server that has a key. */
    const cli = (...args: string[]): Promise<string> => (server instanceof RedisServer ? server : server.servers[0]!).cli('-c', ...args)
    const keyOf = (kind: string, ref: Ref): string => `${namespace}:{${Number.parseInt(ref.id.slice(-3), 16)}}:${kind}:${ref.id}`

    it('ls, show, get, rm and doctor see what stands', async () => {
      const line = { alias: 'named', class: named.classId, id: named.id }
      assert.deepEqual(jsonLines(assertOk(await insitu(['ls', '--json'], on))), [line])
      assert.match(assertOk(await insitu(['show', 'named'], on)).stdout, /large/)
      assert.match(assertOk(await insitu(['get', orphan.id], on)).stdout, /2/)
      assertOk(await insitu(['rm', 'named'], on))
      assert.deepEqual(await backend.read([named]), [undefined])
      assert.match(assertOk(await insitu(['doctor'], on)).stdout, /it gives committed/)
    })

    it('doctor says which commands an ACL forbids', async () => {
      const servers = server instanceof RedisServer ? [server] : server.servers
      for (const one of servers) await one.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '+@all', '-hset', '-persist')
      const storage = backend.url.replace('://', '://narrow:secret@')
      const ended = await insitu(['doctor', '--storage', storage], { stateFolder: folder })
      assert.equal(ended.code, 3)
      assert.match(ended.stdout, /HSET, PERSIST/)
      assert.ok(!ended.stdout.includes('secret'), ended.stdout)
    })

    it('gc removes what no name leads to: objects, tables, old marks and the intents of the dead', async () => {
      const table = await tableOn(backend)
      await send(backend, row(table.id, ['p', 1n], [1n, 'x', undefined]))
      const held = thing()
      const redo: Op = { do: 'put', ref: held, set: cells({ v: 1 }), expect: 'absent' }
      const intent: Intent = { commit: newCommitId(), home: named, redo: [redo], leaseUntilMs: Date.now() - 1 }
      await send(backend, { do: 'reserve', target: { ref: held }, expect: 'absent', intent })
      await send(backend, { do: 'reserve', target: { alias: 'of the dead' }, expect: 'absent', intent: { ...intent, redo: [] } })
      await send(backend, { do: 'mark', home: named, mark: { key: 'run/1', attempt: newCommitId(), state: 'committed', outcome: null } })
      assert.equal((await flat(backend.upkeep!.intents())).length, 2)
      assert.deepEqual(
        (await flat(backend.upkeep!.marksBefore(Date.now() + 1000))).map(({ home, mark }) => [home.id, mark.key]),
        [[named.id, 'run/1']],
      )
      assert.deepEqual(await flat(backend.upkeep!.marksBefore(Date.now() - 60_000)), [])
      assert.deepEqual(
        (await flat(backend.upkeep!.tables())).map(({ id }) => id),
        [table.id],
      )
      assertOk(await insitu(['gc', '--older-than', '0s'], on))
      assert.deepEqual((await backend.read([orphan, table.owner])).map(Boolean), [false, false])
      assert.equal(await backend.table(table.id), undefined)
      assert.deepEqual(await flat(backend.upkeep!.intents()), [])
      assert.equal((await backend.read([named])).length, 1)
    })

    it('fsck finds nothing in a sound store, and names what is damaged', async () => {
      const table = await tableOn(backend)
      await send(backend, row(table.id, ['p', 1n], [1n, 'x', undefined]), row(table.id, ['p', 2n], [1n, 'x', undefined]))
      const [sound] = jsonLines(assertOk(await insitu(['fsck', '--json'], on)))
      assert.deepEqual(sound, { summary: { damaged: 0, dangling: 0, records: { objects: 3, names: 1, rows: 2 } } })
      const tableKey = `${namespace}:{${Number.parseInt(table.id.slice(-3), 16)}}:t:${table.id}`
      await cli('APPEND', keyOf('o', orphan), 'x')
      await cli('SET', keyOf('o', orphan), '.1 torn')
      const [large] = (
        await Promise.all(
          (server instanceof RedisServer ? [server] : server.servers).map((one) => one.cli('--scan', '--pattern', `${namespace}:*:c:*`)),
        )
      )
        .join('\n')
        .split('\n')
        .filter(Boolean)
      await cli('UNLINK', large!)
      await cli('ZREMRANGEBYRANK', `${tableKey}:keys`, '0', '0')
      const ended = await insitu(['fsck', '--json'], on)
      assert.equal(ended.code, 1)
      const found = jsonLines(ended)
        .slice(0, -1)
        .map(({ kind, what }) => `${kind} ${what}`)
        .sort()
      assert.deepEqual(found, [`index Table ${table.id}`, ...[`record Object ${named.id}`, `record Object ${orphan.id}`].sort()])
    })
  })
