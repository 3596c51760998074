/** Long because it is the whole of what only this backend does: the file, its owner, damage, full disks. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { type Environment, openEnvironment } from '../../backends/nvram/environment.js'
import { createBackend } from '../../backends/nvram/index.js'
import { formerMarkKey, gravesUntil, idKey, receiptsUntil } from '../../backends/nvram/keys.js'
import { NvramSpace } from '../../backends/nvram/nvram-space.js'
import { checksum, sealValue } from '../../backends/nvram/record.js'
import type { Records } from '../../backends/nvram/records.js'
import { RECEIPTS_KEPT_MS, Sweeper } from '../../backends/nvram/sweeper.js'
import { type Backend, type Mark, type Op, Ref, type Table } from '../../src/backend.js'
import { CorruptError, NotOwnerError, StateLostError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { type ClassId, type CommitId, newCommitId, newId } from '../../src/ids.js'
import { notRun } from '../tools/not-run.js'
import { addOp, allOf, backendSpec, failure, groupOf, newTable, newThing, putOp, rowOp, send, stored, upkeepSpec } from './backend-spec.js'

const CHILD = fileURLToPath(new URL('./backend-nvram-child.js', import.meta.url))

const OTHER_USER = fileURLToPath(new URL('./other-user.js', import.meta.url))

const folders: string[] = []
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'insitu-nvram-'))
  folders.push(folder)
  return folder
}

async function opened(folder: string, query = ''): Promise<Backend> {
  const backend = createBackend(`nvram:${folder}${query}`)
  await backend.open()
  return backend
}

/** Runs `use` on a store that is open for as long. */
async function on<T>(folder: string, use: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = await opened(folder)
  try {
    return await use(backend)
  } finally {
    await backend.close()
  }
}

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const shared = newFolder()
backendSpec('nvram', () => opened(shared))
upkeepSpec('nvram', () => opened(shared))

describe('nvram: the file', () => {
  it('is made for its user alone, and in a folder with a dot in its name', async () => {
    const folder = join(newFolder(), 'data.v1', 'deep')
    await on(folder, (backend) => send(backend, putOp(newThing(), {})))
    expect(statSync(folder).mode & 0o777).to.equal(0o700)
    for (const name of ['data.mdb', 'lock.mdb', 'store.json']) expect(statSync(join(folder, name)).mode & 0o777, name).to.equal(0o600)
  })

  it('is refused where no folder can be, instead of trying for ever', async () => {
    const taken = join(newFolder(), 'file')
    writeFileSync(taken, '')
    for (const folder of [taken, join(taken, 'below'), '/proc/insitu/none']) {
      const error = await failure(UnavailableError, () => opened(folder))
      expect(error.message).to.contain(folder)
    }
  })

  it('writes what was sent before it was closed', async () => {
    const [folder, refs] = [newFolder(), Array.from({ length: 3 }, newThing)]
    const backend = await opened(folder)
    const sent = refs.map((ref) => send(backend, putOp(ref, { v: 1 })))
    await Promise.all([...sent, backend.close()])
    await on(folder, async (again) => expect((await again.read(refs)).map(Boolean)).to.deep.equal([true, true, true]))
  })

  it('keeps everything over close and open', async () => {
    const [folder, ref, home, commit] = [newFolder(), newThing(), newThing(), newCommitId()]
    const mark = { key: 'task', attempt: commit, state: 'committed', outcome: Uint8Array.of(1) } as const
    const group = groupOf([
      putOp(ref, { v: 1n }),
      { do: 'name', alias: 'näme', expect: null, to: ref },
      { do: 'mark', home, mark },
      { do: 'stage', home, commit, redo: [putOp(home, { w: new Date(1) })] },
    ])
    const table = await on(folder, async (backend) => {
      const made = await newTable(backend)
      await backend.commit(group)
      await send(backend, rowOp(made, ['p', 1n], [1n, 'one', undefined]), addOp(made, ['p', 1n], 5n))
      return made
    })
    await on(folder, async (backend) => {
      const again = await stored(backend, ref)
      expect(again!.cells.get('v')).to.equal(1n)
      expect(again!.stamp).to.deep.equal({ revision: 1, commit: group.commit })
      expect(await backend.find([{ alias: 'näme' }])).to.deep.equal([{ ref }])
      expect(await backend.marks(home, ['task'])).to.deep.equal([mark])
      expect(await backend.staged(home, commit)).to.deep.equal([putOp(home, { w: new Date(1) })])
      expect((await backend.rows(table.id, [['p', 1n]]))[0]!.values).to.deep.equal([1n, 'one', 5n])
      expect((await backend.commit(group)).stamps.get(ref.id)).to.deep.equal(again!.stamp)
      expect(await allOf(backend.objects({ classId: ref.classId }))).to.deep.equal([ref])
    })
  })

  it('keeps every object, in whatever order of their ids they come', async () => {
    const folder = newFolder()
    const refs = Array.from({ length: 300 }, () => newThing())
    const mixed = refs.map((_, i) => refs[(i * 7) % refs.length]!)
    await on(folder, async (backend) => {
      for (const from of [200, 0, 100]) await send(backend, ...mixed.slice(from, from + 100).map((ref) => putOp(ref, { of: ref.id })))
    })
    await on(folder, async (backend) => {
      for (const ref of refs) expect((await stored(backend, ref))?.cells.get('of')).to.equal(ref.id)
    })
  })

  it('is written by several processes at once without losing anything', async () => {
    const [folder, ref] = [newFolder(), newThing()]
    await on(folder, async (backend) => {
      const table = await newTable(backend)
      await send(backend, putOp(ref, { v: 0 }))
      const children = [0, 1].map(() =>
        spawn(process.execPath, [CHILD, 'count', `nvram:${folder}`, table.id, ref.id, '60'], { stdio: 'inherit' }),
      )
      const exits = Promise.all(children.map((child) => once(child, 'exit')))
      for (let i = 0; i < 60; i++) await send(backend, addOp(table, ['p', 1n], 1n))
      expect(await exits).to.deep.equal([
        [0, null],
        [0, null],
      ])
      expect((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2]).to.equal(180n)
      expect((await stored(backend, ref))!.cells.get('v')).to.equal(120)
    })
  }).timeout(60_000)

  it('is written from a worker thread as well', async () => {
    const [folder, ref] = [newFolder(), newThing()]
    await on(folder, async (backend) => {
      const table = await newTable(backend)
      await send(backend, putOp(ref, { v: 0 }))
      const worker = new Worker(CHILD, { argv: ['count', `nvram:${folder}`, table.id, ref.id, '40'] })
      const exit = once(worker, 'exit')
      for (let i = 0; i < 40; i++) await send(backend, addOp(table, ['p', 1n], 1n))
      expect(await exit).to.deep.equal([0])
      expect((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2]).to.equal(80n)
      expect((await stored(backend, ref))!.cells.get('v')).to.equal(40)
      await send(backend, putOp(newThing(), {})) // the worker's end closed nothing of ours
    })
  }).timeout(60_000)

  it('gives what is read memory of its own, which no later reading and no commit changes', async () => {
    await on(newFolder(), async (backend) => {
      const [small, other, large] = [newThing(), newThing(), newThing()]
      const fill = (byte: number, bytes: number): { bytes: Uint8Array } => ({ bytes: new Uint8Array(bytes).fill(byte) })
      const largeBytes = 17 * 1024 * 1024 // those of more than 16 MiB lmdb-js gives as a view of the file
      await send(backend, putOp(small, fill(1, 100)), putOp(other, fill(2, 100)))
      let { stamps } = await send(backend, putOp(large, fill(3, largeBytes)))
      const found = await backend.read([small, other, large])
      for (let byte = 4; byte < 8; byte++) ({ stamps } = await send(backend, putOp(large, fill(byte, largeBytes), stamps.get(large.id)!)))
      found.forEach((one, i) => {
        expect((one!.cells.get('bytes') as Uint8Array).every((byte) => byte === i + 1)).to.equal(true)
      })
    })
  })

  it('grows under a program that has it open, whoever makes it larger', async () => {
    const folder = newFolder()
    const fileBytes = (): number => statSync(join(folder, 'data.mdb')).size
    await on(folder, async (backend) => {
      const first = newThing()
      await send(backend, putOp(first, { i: -1 }))
      const before = fileBytes()
      const child = spawn(process.execPath, [CHILD, 'grow', `nvram:${folder}`, '40'], { stdio: 'inherit' })
      expect(await once(child, 'exit')).to.deep.equal([0, null])
      expect(fileBytes()).to.be.greaterThan(before + 40 * 1024 * 1024)
      const found = await backend.read((await allOf(backend.objects({}))).filter(({ id }) => id !== first.id))
      const read = found.map((one) => [one!.cells.get('i'), ...new Set(one!.cells.get('bytes') as Uint8Array)])
      expect(read).to.deep.equal(Array.from({ length: 40 }, (_, i) => [i, i]))
      const own = newThing()
      await send(backend, putOp(own, { bytes: new Uint8Array(40 * 1024 * 1024).fill(7) }))
      expect((await backend.read([first, own])).map((one) => one?.stamp.revision)).to.deep.equal([1, 1])
    })
  }).timeout(60_000)

  it('has every commit that resolved, whole, after the process was killed', async () => {
    const folder = newFolder()
    const child = spawn(process.execPath, [CHILD, 'forever', `nvram:${folder}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk
      if (said.length > 20_000) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const ids = new Set(
      said
        .split('\n')
        .slice(0, -1)
        .flatMap((line) => line.split(' ')),
    )
    await on(folder, async (backend) => {
      const listed = await allOf(backend.objects({}))
      const kept = new Set<string>(listed.map((ref) => ref.id))
      for (const id of ids) expect(kept.has(id), id).to.equal(true)
      for (const one of await backend.read(listed)) {
        const other = one!.cells.get('other') as { id: string }
        expect(kept.has(other.id)).to.equal(true)
      }
    })
  }).timeout(60_000)

  it('flushes what was committed, several waiters at once', async () => {
    await on(newFolder(), async (backend) => {
      await send(backend, putOp(newThing(), {}))
      await Promise.all([backend.flush('durable'), backend.flush('durable'), backend.flush('committed')])
      const commits = Array.from({ length: 20 }, () => send(backend, putOp(newThing(), {})).then(() => backend.flush('durable')))
      await Promise.all(commits)
    })
  })

  it('refuses a cell above its limit, and urls it does not know', async () => {
    await on(newFolder(), async (backend) => {
      const bytes = new Uint8Array(backend.capabilities.cellBytesMax + 1)
      const ref = newThing()
      const error = await failure(ValidationError, () => send(backend, putOp(ref, { bytes })))
      expect(error.code).to.equal('ERR_CELL_TOO_LARGE')
      expect(await stored(backend, ref)).to.equal(undefined)
    })
    for (const url of ['nvram:x?colour=red', 'memory:'])
      expect(() => createBackend(url), url).to.throw(UnsupportedError as unknown as ErrorConstructor)
  })

  it('is not made where a mode of NVDIMMs is named, and says what to name instead', () => {
    const said: [url: string, says: RegExp][] = [
      ['nvram:1LM:2999', /DAX mount.* nvram:\/mnt/],
      ['nvram:1lm', /DAX mount/],
      ['nvram:2LM:1000', /volatile memory.*durable/],
    ]
    for (const [url, says] of said)
      expect(() => createBackend(url), url)
        .to.throw(says)
        .with.property('name', 'UnsupportedError')
    expect(createBackend(`nvram:${join(newFolder(), '1LM:10')}`).url).to.include('1LM:10') // a folder may have the name
  })

  it('tells how many bytes the rows of a piece take', async () => {
    await on(newFolder(), async (backend) => {
      const table = await newTable(backend)
      const rows = Array.from({ length: 800 }, (_, i) => rowOp(table, ['p', BigInt(i)], [1n, 'x'.repeat(200), undefined]))
      await send(backend, ...rows)
      const located = await backend.locate(await backend.pieces(table.id, 4))
      expect(located).to.have.length(4)
      for (const [place] of located) expect(place!.bytes).to.be.within(200 * 200, 200 * 400)
    })
  })

  it('names the host that the url gives', async () => {
    const backend = await opened(newFolder(), '?host=node-7')
    const ref = newThing()
    await send(backend, putOp(ref, {}))
    expect((await backend.locate([ref]))[0]![0]!.host).to.equal('node-7')
    await backend.close()
  })
})

describe('nvram: whose file it is', () => {
  const asMachine = async (machine: string, run: () => Promise<void>): Promise<void> => {
    const before = process.env.INSITU_MACHINE_ID
    process.env.INSITU_MACHINE_ID = machine
    try {
      await run()
    } finally {
      if (before === undefined) delete process.env.INSITU_MACHINE_ID
      else process.env.INSITU_MACHINE_ID = before
    }
  }

  it('refuses another machine, names the owner, and goes on for its own', async () => {
    const folder = newFolder()
    await asMachine('one', () => on(folder, async () => {}))
    const again = async (): Promise<void> => {
      const error = await failure(NotOwnerError, () => opened(folder))
      expect(error).to.include({ machine: 'one' })
      expect(error.message).to.include('machine one')
    }
    await asMachine('two', again)
    await asMachine('one', () => on(folder, async () => {}))
  })

  it('refuses a copy, and takes a moved store for its own', async () => {
    const parent = newFolder()
    const [first, copy, moved, link] = ['first', 'copy', 'moved', 'link'].map((name) => join(parent, name)) as [
      string,
      string,
      string,
      string,
    ]
    const ref = newThing()
    await on(first, (backend) => send(backend, putOp(ref, { v: 1 })))
    symlinkSync(first, link)
    await on(link, async (backend) => expect(await stored(backend, ref)).to.not.equal(undefined))
    cpSync(first, copy, { recursive: true })
    const error = await failure(NotOwnerError, () => opened(copy))
    expect(error.path).to.equal(first)
    renameSync(first, moved)
    await on(moved, async (backend) => expect((await stored(backend, ref))!.cells.get('v')).to.equal(1))
    await on(first, async (backend) => expect(await stored(backend, ref), 'a new store at the old path').to.equal(undefined))
    await on(moved, async () => {})
  })

  it('of another user is refused by an error that says whose, wherever the system refuses it', async function () {
    if (process.getuid?.() !== 0) notRun(this, 'to run as another user needs root')
    const folder = newFolder()
    await on(folder, (backend) => send(backend, putOp(newThing(), {})))
    const [data, lock] = [join(folder, 'data.mdb'), join(folder, 'lock.mdb')]
    const cases: [folder: number, data: number, lock: number, refused: string, fsckRefused?: string][] = [
      [0o700, 0o600, 0o600, folder, folder],
      [0o755, 0o600, 0o600, data, data],
      [0o755, 0o644, 0o666, data],
      [0o755, 0o666, 0o600, lock],
    ]
    for (const [ofFolder, ofData, ofLock, refused, fsckRefused] of cases) {
      chmodSync(folder, ofFolder)
      chmodSync(data, ofData)
      chmodSync(lock, ofLock)
      const said = JSON.parse(execFileSync(process.execPath, [OTHER_USER, folder]).toString()) as Record<string, string>
      const told = [said.program, said.command, ...(fsckRefused ? [said.fsck] : [])]
      for (const one of told)
        expect(one)
          .to.match(/^ERR_STORE_ACCESS /)
          .and.include(`${refused} belongs to user 0, mode`)
    }
  }).timeout(60_000)

  it('refuses another format, of the file and of a record', async () => {
    const [folder, ref] = [newFolder(), newThing()]
    const environment = (change: (env: Environment) => void): Promise<void> => changed(folder, change)
    await on(folder, (backend) => send(backend, putOp(ref, { v: 1 })))
    await environment(({ objects }) => {
      const key = idKey(ref.id)
      const record = Buffer.from(objects.get(key)!)
      record[0] = 9
      record.writeUInt32LE(checksum(key, record, record.length), 4)
      objects.put(key, record)
    })
    await on(folder, async (backend) => {
      const error = await failure(UnsupportedError, () => backend.read([ref]))
      expect(error).to.include({ code: 'ERR_FORMAT_VERSION', format: 9 })
    })
    await environment(({ meta }) => meta.put(Buffer.from('format'), Buffer.from('4')))
    const error = await failure(UnsupportedError, () => opened(folder))
    expect(error.code).to.equal('ERR_FORMAT_VERSION')
  })
})

describe('nvram: marks', () => {
  const mark = (key: string, outcome: Uint8Array | null, state: Mark['state']): Mark => ({ key, attempt: newCommitId(), state, outcome })

  it('come back as they went in, whatever their keys', async () => {
    const [folder, home] = [newFolder(), newThing()]
    const marks = [
      mark('run/1', Uint8Array.of(1, 2, 3), 'committed'),
      mark('run/10', null, 'aborted'),
      mark('Ω'.repeat(2000), new Uint8Array(0), 'committed'),
    ]
    await on(folder, (backend) => backend.commit(groupOf(marks.map((one): Op => ({ do: 'mark', home, mark: one })))))
    const keys = [...marks.map(({ key }) => key), 'run/100']
    await on(folder, async (backend) => expect(await backend.marks(home, keys)).to.deep.equal([...marks, undefined]))
  })

  it('of a file of the format before are found, and stand in the way', async () => {
    const [folder, home] = [newFolder(), newThing()]
    const [before, now] = [mark('run/7', Uint8Array.of(7), 'committed'), mark('run/8', null, 'aborted')]
    await on(folder, (backend) => send(backend, { do: 'mark', home, mark: now }))
    await changed(folder, ({ marks, meta, transactions }) =>
      transactions.write(() => {
        const key = formerMarkKey(home.id, before.key)
        marks.put(key, sealValue(key, before))
        meta.put(Buffer.from('format'), Buffer.from('2'))
      }),
    )
    for (const _time of [1, 2])
      await on(folder, async (backend) => {
        expect(await backend.marks(home, ['run/7', 'run/8'])).to.deep.equal([before, now])
        const refused = await send(backend, putOp(newThing(), { v: 1 }), { do: 'mark', home, mark: mark('run/7', null, 'committed') })
        expect([refused.applied, refused.mark]).to.deep.equal([false, before])
      })
  })
})

/** Changes the file behind the backend's back. */
async function changed(folder: string, change: (env: Environment) => void): Promise<void> {
  const env = await openEnvironment(folder)
  change(env)
  await env.file.close()
}

describe('nvram: damage', () => {
  /** Every byte of every record of a database, changed one at a time and put back. */
  async function eachByte(records: Records, run: (at: string) => Promise<void>): Promise<void> {
    for (const key of records.keys({ start: Uint8Array.of(0) })) {
      const whole = Buffer.from(records.get(key)!)
      for (let at = 0; at < whole.length; at++) {
        const bad = Buffer.from(whole)
        bad[at]! ^= 1 << (at % 8)
        records.put(key, bad)
        await run(`byte ${at} of ${whole.length}`)
      }
      records.put(key, whole.subarray(0, 5))
      await run('cut short')
      records.put(key, whole)
    }
  }

  const flips: [string, keyof Environment, (backend: Backend, it: Items) => Promise<unknown>, (it: Items) => string][] = [
    ['an object', 'objects', (backend, { ref }) => backend.read([ref]), ({ ref }) => ref.id],
    ['an object found by id', 'objects', (backend, { ref }) => backend.find([ref.id]), ({ ref }) => ref.id],
    ['an object about to be changed', 'objects', (backend, { ref }) => send(backend, putOp(ref, {})), ({ ref }) => ref.id],
    ['an alias', 'names', (backend) => backend.find([{ alias: 'name' }]), () => '"name"'],
    ['a mark', 'marks', (backend, { ref }) => backend.marks(ref, ['task']), () => '"task"'],
    ['staged redo', 'staged', (backend, { ref, commit }) => backend.staged(ref, commit), ({ commit }) => commit],
    ['a table', 'tables', (backend, { table }) => backend.table(table.id), ({ table }) => table.id],
    ['a row', 'rows', (backend, { table }) => backend.rows(table.id, [['p', 1n]]), ({ table }) => table.id],
    ['a row met by a scan', 'rows', (backend, { table }) => allOf(backend.scan({ in: table.id })), ({ table }) => table.id],
    ['a row about to be added to', 'rows', (backend, { table }) => send(backend, addOp(table, ['p', 1n], 1n)), ({ table }) => table.id],
    ['a receipt', 'receipts', (backend, { commit, ref }) => backend.commit(groupOf([putOp(ref, {})], commit)), ({ commit }) => commit],
  ]

  interface Items {
    readonly ref: ReturnType<typeof newThing>
    readonly commit: CommitId
    readonly table: Table
  }

  async function fill(backend: Backend): Promise<Items> {
    const [ref, commit, table] = [newThing(), newCommitId(), await newTable(backend)]
    await backend.commit(
      groupOf(
        [
          putOp(ref, { v: 1, text: 'text' }),
          { do: 'name', alias: 'name', expect: null, to: ref },
          { do: 'mark', home: ref, mark: { key: 'task', attempt: commit, state: 'committed', outcome: null } },
          { do: 'stage', home: ref, commit, redo: [] },
          rowOp(table, ['p', 1n], [1n, 'one', undefined]),
          addOp(table, ['p', 1n], 2n),
        ],
        commit,
      ),
    )
    return { ref, commit, table }
  }

  for (const [what, database, read, named] of flips)
    it(`of ${what} is found in every byte, named, and harms nothing else`, async () => {
      const folder = newFolder()
      await on(folder, async (backend) => {
        const items = await fill(backend)
        const env = await openEnvironment(folder)
        await eachByte(env[database] as Records, async (at) => {
          const error = await failure(CorruptError, () => read(backend, items))
          expect(error.message, at).to.include(named(items))
        })
        await env.file.close()
        await send(backend, putOp(newThing(), {}))
        expect((await stored(backend, items.ref))!.cells.get('text')).to.equal('text')
      })
    }).timeout(60_000)

  it('of a class name is found by who reads it first', async () => {
    const folder = newFolder()
    const { ref } = await on(folder, fill)
    await changed(folder, (env) => {
      for (const key of env.classes.keys({ start: Uint8Array.of(0) })) {
        const record = Buffer.from(env.classes.get(key)!)
        record[record.length - 1]! ^= 1
        env.classes.put(key, record)
      }
    })
    await on(folder, (backend) => failure(CorruptError, () => backend.read([ref])))
  })

  it('of a record put under another record’s key is found', async () => {
    const folder = newFolder()
    const [a, b] = [newThing(), newThing()]
    await on(folder, (backend) => send(backend, putOp(a, { v: 1 }), putOp(b, { v: 2 })))
    await changed(folder, ({ objects }) => objects.put(idKey(a.id), objects.get(idKey(b.id))!))
    await on(folder, async (backend) => {
      await failure(CorruptError, () => backend.read([a]))
      expect((await backend.read([b]))[0]!.cells.get('v')).to.equal(2)
    })
  })

  it('of one object fails its own group only', async () => {
    const folder = newFolder()
    const [bad, good] = [newThing(), newThing()]
    await on(folder, async (backend) => {
      const stamp = (await send(backend, putOp(bad, { v: 1 }))).stamps.get(bad.id)!
      const env = await openEnvironment(folder)
      env.objects.put(idKey(bad.id), Buffer.alloc(80))
      await env.file.close()
      const ends = await Promise.allSettled([
        send(backend, putOp(good, {})),
        send(backend, putOp(bad, {}, stamp)),
        send(backend, putOp(newThing(), {})),
      ])
      expect(ends.map((end) => end.status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
      expect(await stored(backend, good)).to.not.equal(undefined)
    })
  })

  it('of a row that is met while a group is written leaves nothing of the group, and others beside it whole', async () => {
    const folder = newFolder()
    const [half, later] = [newId(), newId()].map((id) => new Ref(id, 'insitu/test#SeenFirst' as ClassId)) as [Ref, Ref]
    await on(folder, async (backend) => {
      const [table, key] = [await newTable(backend), ['p', 1n] as const]
      await send(backend, rowOp(table, key, [1n, 'one', undefined]))
      const env = await openEnvironment(folder)
      for (const row of env.rows.keys({ start: Uint8Array.of(0) })) env.rows.put(row, Buffer.alloc(80))
      await env.file.close()
      const [before, after] = [newThing(), newThing()]
      const ends = await Promise.allSettled([
        send(backend, putOp(before, {})),
        send(backend, putOp(half, {}), { do: 'name', alias: 'half', expect: null, to: half }, rowOp(table, key, [2n, 'two', undefined])),
        send(backend, putOp(after, {})),
      ])
      expect(ends.map((end) => end.status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
      expect((await backend.read([before, half, after])).map(Boolean)).to.deep.equal([true, false, true])
      expect(await backend.find([{ alias: 'half' }])).to.deep.equal([undefined])
      await send(backend, putOp(later, {}))
    })
    await on(folder, async (backend) =>
      expect((await stored(backend, later))?.ref.classId, 'a class that was first met in it').to.equal(later.classId),
    )
  })

  it('of the file itself is an error at open, not the end of the process', async () => {
    const folder = newFolder()
    await on(
      folder,
      async (backend) =>
        void (await Promise.all(Array.from({ length: 500 }, () => send(backend, putOp(newThing(), { text: 'x'.repeat(200) }))))),
    )
    const [data, whole] = [join(folder, 'data.mdb'), readFileSync(join(folder, 'data.mdb'))]
    truncateSync(data, 3 * 4096)
    await failure(CorruptError, () => opened(folder))
    writeFileSync(data, 'this is no database')
    await failure(CorruptError, () => opened(folder))
    writeFileSync(data, Buffer.alloc(100_000, 7))
    await failure(CorruptError, () => opened(folder))
    for (const at of [24, 4096 + 24]) {
      const bad = Buffer.from(whole)
      bad[at]! ^= 1 // what says that it is LMDB's, in each of the first two pages
      writeFileSync(data, bad)
      await failure(CorruptError, () => opened(folder))
    }
    writeFileSync(data, whole)
    await on(folder, async (backend) => expect(await allOf(backend.objects({}))).to.have.length(500))
    await failure(UnavailableError, () => opened(join(data, 'below-a-file')))
  })
})

describe('nvram: keeping', () => {
  it('drops receipts and traces of removed rows when their time is over, and only then', async () => {
    const folder = newFolder()
    await on(folder, async (backend) => {
      const table = await newTable(backend)
      const [early, late]: [bigint, bigint] = [1n, 2n]
      const write = (values: [bigint, undefined, undefined] | null, at: bigint): Promise<unknown> =>
        backend.commit(groupOf([rowOp(table, ['p', 1n], values)], undefined, at))
      await write(null, late)
      const env = await openEnvironment(folder)
      const counts = (): number[] => [env.receipts, env.graves, env.rows].map((records) => records.keys({ start: Uint8Array.of(0) }).length)
      const sweep = (afterMs: number): void => {
        let nowMs = Date.now()
        const sweeper = new Sweeper(env, new NvramSpace(env), () => nowMs)
        nowMs += afterMs
        env.transactions.write(() => sweeper.sweepIfDue())
      }
      const before = counts()
      expect(before.slice(1)).to.deep.equal([1, 1])
      sweep(RECEIPTS_KEPT_MS - 60_000)
      expect(counts()).to.deep.equal(before)
      await write([1n, undefined, undefined], early)
      expect(await allOf(backend.scan({ in: table.id }))).to.deep.equal([])
      sweep(RECEIPTS_KEPT_MS + 1000)
      expect(counts().slice(1)).to.deep.equal([0, 0])
      expect(counts()[0]).to.equal(before[0]! + 1)
      sweep(2 * RECEIPTS_KEPT_MS + 1000)
      expect(counts()).to.deep.equal([0, 0, 0])
      await env.file.close()
    })
    expect(Buffer.compare(receiptsUntil(1), receiptsUntil(256))).to.equal(-1)
    expect(Buffer.compare(gravesUntil(1), gravesUntil(256))).to.equal(-1)
  })

  it('keeps a row that was written again after its removal', async () => {
    const folder = newFolder()
    await on(folder, async (backend) => {
      const table = await newTable(backend)
      await send(backend, rowOp(table, ['p', 1n], null))
      await send(backend, rowOp(table, ['p', 1n], [1n, undefined, undefined]))
      const env = await openEnvironment(folder)
      let nowMs = Date.now()
      const sweeper = new Sweeper(env, new NvramSpace(env), () => nowMs)
      nowMs += 3 * RECEIPTS_KEPT_MS
      env.transactions.write(() => sweeper.sweepIfDue())
      await env.file.close()
      expect(await allOf(backend.scan({ in: table.id }))).to.have.length(1)
    })
  })

  it('gives back the room that readers held who were killed', async () => {
    const [folder, ref] = [newFolder(), newThing()]
    const fileBytes = (): number => statSync(join(folder, 'data.mdb')).size
    await on(folder, async (backend) => {
      let stamp = (await send(backend, putOp(ref, {}))).stamps.get(ref.id)!
      const rewrite = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++)
          stamp = (await send(backend, putOp(ref, { bytes: new Uint8Array(20_000).fill(i) }, stamp))).stamps.get(ref.id)!
      }
      await rewrite(20)
      const killed = spawn(process.execPath, [CHILD, 'die-reading', `nvram:${folder}`, ref.id], { stdio: 'inherit' })
      expect(await once(killed, 'exit')).to.deep.equal([null, 'SIGKILL'])
      await new Promise((resolve) => setTimeout(resolve, 1100)) // what is due is swept once a second
      await rewrite(25)
      const swept = fileBytes()
      await rewrite(200)
      expect(fileBytes() - swept, 'were its pages held, each change would take new ones').to.be.lessThan(300_000)
    })
  }).timeout(60_000)

  it('finishes a drop that another process died over', async () => {
    const folder = newFolder()
    const table = await on(folder, async (backend) => {
      const made = await newTable(backend)
      await send(backend, ...Array.from({ length: 3000 }, (_, i) => rowOp(made, ['p', BigInt(i)], [1n, undefined, undefined])))
      return made
    })
    await changed(folder, (env) => {
      env.tables.remove(idKey(table.id))
      env.meta.put(Buffer.concat([Buffer.from('drop:'), idKey(table.id)]), Uint8Array.of(1))
    })
    await on(folder, async () => {})
    await changed(folder, (env) => {
      expect(env.rows.count({})).to.equal(0)
      expect(env.meta.keys({ start: Buffer.from('drop:'), end: Buffer.from('drop;') })).to.deep.equal([])
    })
  })
})

describe('nvram: a full disk', () => {
  let mount: string | undefined

  before(function () {
    const folder = newFolder()
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' })
      mount = folder
    } catch {
      notRun(this, 'mounting a small file system needs root')
    }
  })
  after(() => {
    if (mount) execFileSync('umount', [mount])
  })

  it('is not told of a group of many small records for which there is room', async () => {
    const folder = join(mount!, 'many')
    await on(folder, async (backend) => {
      const made = Array.from({ length: 400 }, () => newThing())
      await send(backend, ...made.map((ref) => putOp(ref, { n: 1 })))
      expect(await backend.read(made)).to.not.include(undefined)
    })
    rmSync(folder, { recursive: true })
  })

  it('does not keep a table from being dropped whose rows take no room to remove', async () => {
    const folder = join(mount!, 'dropped')
    const ballast = join(mount!, 'dropped-ballast')
    await on(folder, async (backend) => {
      const table = await newTable(backend)
      for (let from = 0; from < 3000; from += 100)
        await send(backend, ...Array.from({ length: 100 }, (_, i) => rowOp(table, ['p', BigInt(from + i)], [1n, undefined, undefined])))
      const { bavail, bsize } = statfsSync(mount!)
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 3 * 1024 * 1024)))
      await backend.drop(table.id)
    })
    rmSync(ballast)
    await changed(folder, (env) => expect(env.rows.count({})).to.equal(0))
    rmSync(folder, { recursive: true })
  })

  it('does not keep a store from being opened in which rows were being removed', async () => {
    const folder = join(mount!, 'dropping')
    const ballast = join(mount!, 'dropping-ballast')
    const [ref, table] = await on(folder, async (backend) => {
      const made = await newTable(backend)
      const one = newThing()
      await send(backend, putOp(one, { n: 1 }))
      await send(backend, rowOp(made, ['p', 1n], [1n, undefined, undefined]))
      return [one, made]
    })
    let usedBytes = 0
    await changed(folder, (env) => {
      env.tables.remove(idKey(table.id))
      env.meta.put(Buffer.concat([Buffer.from('drop:'), idKey(table.id)]), Uint8Array.of(1))
    })
    await changed(folder, (env) => {
      usedBytes = env.file.bytes()
    })
    truncateSync(join(folder, 'data.mdb'), usedBytes) // no room in the file either
    const { bavail, bsize } = statfsSync(mount!)
    writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    await on(folder, async (backend) => expect((await stored(backend, ref))?.cells.get('n')).to.equal(1))
    rmSync(ballast)
    await on(folder, async () => {})
    await changed(folder, (env) => expect(env.rows.count({})).to.equal(0))
    rmSync(folder, { recursive: true })
  })

  it('is a typed error that leaves nothing half done, and is over when there is room', async () => {
    const ballast = join(mount!, 'ballast')
    mkdirSync(mount!, { recursive: true })
    const file = openSync(ballast, 'w')
    for (let i = 0; i < 4; i++) writeSync(file, Buffer.alloc(1024 * 1024))
    const backend = await opened(join(mount!, 'store'))
    const kept: ReturnType<typeof newThing>[] = []
    const fill = async (): Promise<void> => {
      for (;;) {
        const pair = [newThing(), newThing()] as const
        await send(backend, ...pair.map((ref) => putOp(ref, { bytes: new Uint8Array(20_000) })))
        kept.push(...pair)
      }
    }
    const error = await failure(UnavailableError, fill)
    expect(error).to.include({ code: 'ERR_STORE_FULL', retryable: true })
    expect(kept.length).to.be.greaterThan(20)
    const together = await Promise.allSettled(
      Array.from({ length: 5 }, () => send(backend, putOp(newThing(), { bytes: new Uint8Array(2_000_000) }))),
    )
    for (const end of together) expect(end.status === 'rejected' && end.reason.code).to.equal('ERR_STORE_FULL')
    await new Promise((resolve) => setTimeout(resolve, 50)) // an unhandled rejection would end the run here
    expect((await allOf(backend.objects({}))).map((ref) => ref.id).sort()).to.deep.equal(kept.map((ref) => ref.id).sort())
    expect((await backend.read(kept)).every((one) => (one!.cells.get('bytes') as Uint8Array).length === 20_000)).to.equal(true)
    closeSync(file)
    truncateSync(ballast, 0)
    const late = newThing()
    await send(backend, putOp(late, { bytes: new Uint8Array(2_000_000) }))
    await backend.flush('durable')
    await backend.close()
    await on(join(mount!, 'store'), async (again) => expect(await stored(again, late)).to.not.equal(undefined))
  }).timeout(60_000)
})

describe('nvram: a folder that is removed, or moved, under a program', () => {
  it('is a typed error for whoever writes, and the next one to open it begins anew', async () => {
    const folder = join(newFolder(), 'store')
    const backend = await opened(folder)
    const [before, after] = [newThing(), newThing()]
    await send(backend, putOp(before, { n: 1 }))
    rmSync(folder, { recursive: true })
    for (const isBack of [false, true]) {
      if (isBack) await on(folder, (another) => send(another, putOp(after, { n: 2 })))
      await failure(StateLostError, () => send(backend, putOp(newThing(), { n: 3 })))
    }
    await backend.close()
    await on(folder, async (again) =>
      expect([await stored(again, before), (await stored(again, after))?.cells.get('n')]).to.deep.equal([undefined, 2]),
    )
  })

  it('that was moved away is told as such, and has what was written before', async () => {
    const [folder, moved] = [join(newFolder(), 'store'), join(newFolder(), 'moved')]
    const backend = await opened(folder)
    const before = newThing()
    await send(backend, putOp(before, { n: 1 }))
    renameSync(folder, moved)
    await failure(UnavailableError, () => send(backend, putOp(newThing(), { n: 2 })))
    await backend.close()
    await on(moved, async (again) => expect((await stored(again, before))?.cells.get('n')).to.equal(1))
  })
})
