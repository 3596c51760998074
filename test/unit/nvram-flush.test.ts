/** When a file is flushed to the disk, and what that covers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Committer } from '../../backends/nvram/committer.js'
import { DiskRoom } from '../../backends/nvram/disk-room.js'
import { type Environment, openEnvironment } from '../../backends/nvram/environment.js'
import { createBackend } from '../../backends/nvram/index.js'
import { NvramSpace } from '../../backends/nvram/nvram-space.js'
import { RecordFile } from '../../backends/nvram/records.js'
import { Sweeper } from '../../backends/nvram/sweeper.js'
import type { Backend, Group } from '../../src/backend.js'
import { ConflictError, UnavailableError } from '../../src/errors.js'
import { failure, groupOf, newThing, putOp, send } from './backend-spec.js'

/** Of a transaction of lmdb-js: it may be rolled back, and is committed when the call returns. */
const ROLLED_BACK_AND_DONE = 3
/** LMDB's own among them, of which the one that leaves out the second flush, of the page that names the new state, is the only safe one. */
const LMDB_FLAGS = 0xf0000
const MDB_NOMETASYNC = 0x40000

describe('nvram: flush', () => {
  let folder: string
  let env: Environment
  let committer: Committer
  let room: DiskRoom
  let other: Backend
  /** What the committer has done to the file. */
  let seen: string[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'insitu-flush-'))
    env = await openEnvironment(folder)
    other = createBackend(`nvram:${folder}`)
    await other.open()
    seen = []
    watch()
    const space = new NvramSpace(env)
    room = new DiskRoom(env, folder)
    committer = new Committer({ env, space, room, sweeper: new Sweeper(env, space), where: folder })
  })
  afterEach(async () => {
    await other.close()
    room.close()
    await env.file.close()
    rmSync(folder, { recursive: true })
  })

  function watch(): void {
    const { file, transactions } = env
    const sync = file.sync.bind(file)
    file.sync = () => {
      seen.push('flush')
      return sync()
    }
    const write = transactions.write.bind(transactions)
    transactions.write = (change, flushes) => {
      seen.push(flushes ? 'commit, flushed' : 'commit')
      write(change, flushes)
    }
  }

  const did = (): string[] => seen.splice(0)
  const commit = (group: Group = groupOf([putOp(newThing(), { v: 1 })])): ReturnType<Committer['commit']> => committer.commit(group)

  it('covers what others have committed, and nothing twice', async () => {
    await committer.flush()
    expect(did(), 'what a process that was killed may have left').to.deep.equal(['flush'])
    await committer.flush()
    expect(did()).to.deep.equal([])
    await send(other, putOp(newThing(), { v: 1 }))
    await Promise.all([committer.flush(), committer.flush()])
    expect(did()).to.deep.equal(['flush'])
  })

  it('is part of the commit for who waits for each, one after the other', async () => {
    for (let n = 0; n < 3; n++) {
      await commit()
      await committer.flush()
    }
    expect(did()).to.deep.equal(['commit', 'flush', 'commit, flushed', 'commit, flushed'])
  })

  it('comes after the commit of many, and of those that nobody waited for', async () => {
    await commit()
    await committer.flush()
    did()
    await Promise.all(Array.from({ length: 20 }, () => commit()))
    await committer.flush()
    expect(did(), 'many at once').to.deep.equal(['commit', 'flush'])
    await commit()
    await commit()
    await commit()
    expect(did(), 'nobody waits any more').to.deep.equal(['commit, flushed', 'commit', 'commit'])
    await committer.flush()
    expect(did()).to.deep.equal(['flush'])
  })

  it('is waited for by who asks a store for durable, and not by who asks for committed', async () => {
    const { sync } = RecordFile.prototype
    RecordFile.prototype.sync = function (this: RecordFile) {
      seen.push('flush')
      return sync.call(this)
    }
    try {
      await send(other, putOp(newThing(), { v: 1 }))
      await other.flush('committed')
      expect(did()).to.deep.equal([])
      await other.flush('durable')
      expect(did()).to.deep.equal(['flush'])
    } finally {
      RecordFile.prototype.sync = sync
    }
  })

  it('of the data is part of every commit, however little is waited for: no unsafe mode of LMDB is used', async () => {
    const flags = new Set<number>()
    const { transaction } = RecordFile.prototype
    RecordFile.prototype.transaction = function (this: RecordFile, change, given) {
      flags.add(given)
      transaction.call(this, change, given)
    }
    try {
      for (let n = 0; n < 2; n++) {
        await commit()
        await committer.flush()
      }
      await committer.flush()
      expect([...flags].map((given) => given & ROLLED_BACK_AND_DONE)).to.deep.equal([ROLLED_BACK_AND_DONE, ROLLED_BACK_AND_DONE])
      expect([...flags].map((given) => given & LMDB_FLAGS)).to.deep.equal([MDB_NOMETASYNC, 0])
    } finally {
      RecordFile.prototype.transaction = transaction
    }
  })

  it('leaves the write lock after a moment, however many groups wait: others open the store, and write to it', async () => {
    await Promise.all(Array.from({ length: 20_000 }, () => commit()))
    expect(did().length).to.be.greaterThan(2)
  })

  it('that failed once is not tried again: what a later one says would be worth nothing', async () => {
    const sync = env.file.sync
    env.file.sync = () => Promise.reject(new Error('the disk does not answer'))
    await commit()
    expect((await failure(UnavailableError, () => committer.flush())).code).to.equal('ERR_STORE_FLUSH')
    env.file.sync = sync
    for (const call of [() => committer.flush(), () => commit()])
      expect((await failure(UnavailableError, call)).code).to.equal('ERR_STORE_FLUSH')
  })

  it('takes what another program commits after a refused group for nothing of its own', async () => {
    const ref = newThing()
    await commit(groupOf([putOp(ref, { v: 1 })]))
    await committer.flush()
    await failure(ConflictError, () => commit(groupOf([putOp(ref, { v: 2 })])))
    await send(other, putOp(newThing(), { v: 3 }))
    did()
    await committer.flush()
    expect(did()).to.deep.equal(['flush'])
  })
})
