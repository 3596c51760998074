import { statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Database } from '../../examples/sqlite-backend/database.js'
import { SqliteBackend } from '../../examples/sqlite-backend/index.js'
import {
  type Backend,
  CorruptError,
  connect,
  registerBackend,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../runtime/index.js'
import { conformanceCases } from '../conformance/cases.js'
import { group, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { flat, refused } from '../conformance/expect.js'
import { ConformanceSession } from '../conformance/session.js'
import { notRun } from '../tools/not-run.js'

describe('a backend by others: examples/sqlite-backend', function () {
  this.timeout(120_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-sqlite-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))
  const url = (name: string): string => `sqlite:${join(folder, name)}`

  describe('conformance', () => {
    let session: ConformanceSession
    before(async () => {
      session = await ConformanceSession.start(() => ({ name: 'sqlite', open: () => url('conformance.db') }))
    })
    after(() => session.close())
    for (const one of conformanceCases)
      it(one.title, async function () {
        const outcome = await session.run(one)
        if (outcome.result === 'failed') throw outcome.error
        if (outcome.result === 'skipped') notRun(this, outcome.why)
      })
  })

  describe('what the suite does not ask', () => {
    async function opened(name: string): Promise<Backend> {
      const backend = new SqliteBackend(url(name))
      await backend.open()
      return backend
    }

    it('its file is for its owner only', async () => {
      const backend = await opened('mode.db')
      await send(backend, put(thing(), { v: 1 }))
      for (const end of ['', '-wal', '-shm']) expect(statSync(join(folder, `mode.db${end}`)).mode & 0o777).to.equal(0o600)
      await backend.close()
    })

    it('its commits are on the disk, in a log beside which readers go on', async () => {
      const backend = await opened('log.db')
      const file = new Database(join(folder, 'log.db'), 'log')
      expect(['synchronous', 'journal_mode'].map((name) => file.one(`PRAGMA ${name}`))).to.deep.equal([[2n], ['wal']])
      file.close()
      await backend.close()
    })

    it('refuses a file that is another program’s, of another format, or no database', async () => {
      const other = new Database(join(folder, 'other.db'), 'other')
      other.exec('CREATE TABLE theirs (x)')
      other.close()
      await refused(UnsupportedError, () => opened('other.db'))
      const later = new Database(join(folder, 'later.db'), 'later')
      later.exec('PRAGMA user_version = 2')
      later.close()
      expect((await refused(UnsupportedError, () => opened('later.db'))).code).to.equal('ERR_FORMAT_VERSION')
      writeFileSync(join(folder, 'text.db'), 'no database at all, but long enough to be taken for one'.repeat(100))
      await refused(CorruptError, () => opened('text.db'))
      await refused(UnavailableError, () => opened('text.db/below.db'))
    })

    it('a writer that does not get its turn is told so, and nothing is left half done', async () => {
      const backend = await opened('busy.db')
      const other = new Database(join(folder, 'busy.db'), 'busy')
      const ref = thing()
      const commit = group([put(ref, { v: 1 })])
      other.exec('BEGIN IMMEDIATE')
      await refused(UnavailableError, () => backend.commit(commit))
      other.exec('ROLLBACK')
      expect((await backend.commit(commit)).stamps.get(ref.id)?.revision).to.equal(1)
      other.close()
      await backend.close()
    })

    it('forgets receipts and removed rows after an hour, and nothing else', async () => {
      const backend = await opened('old.db')
      const table = await tableOn(backend)
      await send(backend, row(table.id, ['p', 1n], [1n, 'kept', undefined]), row(table.id, ['p', 2n], [2n, 'removed', undefined]))
      await send(backend, row(table.id, ['p', 2n], null))
      await backend.close()
      const raw = new Database(join(folder, 'old.db'), 'old')
      const count = (of: string): bigint => raw.one<[bigint]>(`SELECT count(*) FROM ${of}`)![0]
      expect([count('receipts'), count('rows')]).to.deep.equal([3n, 2n])
      raw.exec('UPDATE receipts SET at_ms = at_ms - 4000000; UPDATE rows SET at_micros = at_micros - 4000000000')
      await backend.open()
      expect([count('receipts'), count('rows')]).to.deep.equal([0n, 1n])
      expect((await flat(backend.scan({ in: table.id }))).map((r) => r.values[1])).to.deep.equal(['kept'])
      raw.close()
      await backend.close()
    })
  })

  describe('registering', () => {
    it('a url of its scheme is enough', async () => {
      const store = await connect(url('by-url.db'))
      expect(store.backend).to.be.instanceOf(SqliteBackend)
      await store.close()
    })

    it('a scheme of ours, or none, is refused, and an unknown one says which there are', async () => {
      for (const scheme of ['nvram', 'memory', 'redis', '', 'Not A Scheme'])
        expect(() => registerBackend(scheme, 'file:///…/x.js'), scheme).to.throw(ValidationError)
      const error = await refused(ValidationError, () => connect('constructor:x'))
      expect(error.message).to.match(/memory:, nvram:,.* sqlite:/)
    })
  })
})
