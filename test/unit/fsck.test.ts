/** Damage of a file on disk: every finding of `fsck`, and what is saved. */
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { open } from 'lmdb'
import { type Environment, openEnvironment } from '../../backends/nvram/environment.js'
import { PageFile } from '../../backends/nvram/fsck/page-file.js'
import { Survey } from '../../backends/nvram/fsck/survey.js'
import { type Finding, type FsckReport, fsck } from '../../backends/nvram/index.js'
import { idKey, rowKey } from '../../backends/nvram/keys.js'
import { Packed, type Ref, type Table } from '../../src/backend.js'
import { encodeWireAs } from '../../src/codec/wire.js'
import { encodeKey } from '../../src/dict/row-key.js'
import { CorruptError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { newCommitId, newTableId } from '../../src/ids.js'
import { send } from '../conformance/contract-kit.js'
import { randomOf } from '../crash/random.js'
import { addOp, allOf, failure, groupOf, newThing, putOp, rowOp, stored } from './backend-spec.js'
import { foldersFor, on } from './nvram-folders.js'

const newFolder = foldersFor('fsck')

interface Items {
  readonly things: readonly Ref[]
  readonly table: Table
}

const THINGS = 400
const ROWS = 300

/** Enough that every database but the smallest has branch pages and values with pages of their own. */
async function fill(folder: string): Promise<Items> {
  return on(folder, async (backend) => {
    const things = Array.from({ length: THINGS }, () => newThing())
    const owner = things[0]!
    const table = tableFor(owner)
    await backend.define(table)
    const dict = { kind: 'dict', table: table.id, owner, keys: table.keys, partition: 1, values: table.values, writes: 'lww' }
    const rows = new Packed(encodeWireAs(1, [[13], null, [dict]]))
    for (const [i, ref] of things.entries()) {
      const text = 'x'.repeat(i % 50 === 1 ? 20_000 : 80)
      await backend.commit(
        groupOf([
          putOp(ref, i === 0 ? { i, rows } : { i, text, next: things[(i + 1) % THINGS]! }),
          { do: 'name', alias: `thing ${i}`, expect: null, to: ref },
        ]),
      )
    }
    await backend.commit(
      groupOf(Array.from({ length: ROWS }, (_, i) => rowOp(table, [`p${i % 7}`, BigInt(i)], [BigInt(i), 'note', undefined]))),
    )
    await backend.commit(
      groupOf([
        addOp(table, ['p0', 0n], 3n),
        { do: 'mark', home: owner, mark: { key: 'task', attempt: newCommitId(), state: 'committed', outcome: null } },
        { do: 'stage', home: owner, commit: newCommitId(), redo: [] },
      ]),
    )
    return { things, table }
  })
}

function tableFor(owner: Ref): Table {
  return {
    id: newTableId(),
    owner,
    keys: [
      { name: 'p', type: 'text' },
      { name: 'o', type: 'i64' },
    ],
    partition: 1,
    values: [
      { name: 'n', type: 'i64' },
      { name: 'note', type: 'text', optional: true },
      { name: 'hits', type: 'counter' },
    ],
    writes: 'lww',
  }
}

async function checked(folder: string, salvageTo?: string): Promise<[FsckReport, Finding[]]> {
  const findings: Finding[] = []
  const report = await fsck(`nvram:${folder}`, { onFinding: (f) => findings.push(f), ...(salvageTo !== undefined && { salvageTo }) })
  return [report, findings]
}

const textOf = (findings: readonly Finding[]): string => findings.map(({ kind, what, how }) => `${kind}: ${what}: ${how}`).join('\n')

describe('nvram: fsck', function () {
  this.timeout(60_000)
  let sound: string
  let items: Items

  before(async () => {
    sound = newFolder()
    items = await fill(sound)
  })

  const copyOf = (folder: string): string => {
    const copy = newFolder()
    cpSync(folder, copy, { recursive: true })
    return copy
  }
  /** Changes a copy behind the backend's back. */
  async function changed(change: (env: Environment) => void): Promise<string> {
    const folder = copyOf(sound)
    const env = await openEnvironment(folder)
    change(env)
    await env.file.close()
    return folder
  }
  const flipped = (bytes: Uint8Array): Buffer => {
    const copy = Buffer.from(bytes)
    copy[copy.length - 1]! ^= 1
    return copy
  }

  it('finds nothing in a sound file, and counts what is there', async () => {
    const [report, findings] = await checked(sound)
    expect(textOf(findings)).to.equal('')
    expect(report).to.deep.include({ damaged: 0, dangling: 0 })
    expect(report.records).to.deep.include({ objects: THINGS, names: THINGS, rows: ROWS, tables: 1, marks: 1, staged: 1 })
  })

  it('reads the numbers in the list of free pages as numbers', async () => {
    const folder = newFolder()
    await on(folder, async (backend) => {
      const ref = newThing()
      let stamp = (await send(backend, putOp(ref, {}))).stamps.get(ref.id)!
      const reading = open({ path: folder, noSubdir: false, overlappingSync: false, maxDbs: 24 }).useReadTransaction()
      // As long as somebody reads, nothing that is given back is used again: the list goes beyond the first byte of a number.
      for (let n = 0; n < 300; n++) stamp = (await send(backend, putOp(ref, { n }, stamp))).stamps.get(ref.id)!
      reading.done()
    })
    expect((await fsck(`nvram:${folder}`)).damaged).to.equal(0)
  })

  it('names each damaged record, and saves all others', async () => {
    const [thing] = items.things.slice(7)
    const folder = await changed(({ objects, names, rows, marks }) => {
      const flip = (records: Environment['objects'], key: Uint8Array): void => void records.put(key, flipped(records.get(key)!))
      flip(objects, idKey(thing!.id))
      flip(names, Buffer.concat([Buffer.of(1), Buffer.from('thing 9')]))
      flip(rows, rowKey(items.table.id, encodeKey(items.table, ['p1', 1n])))
      flip(marks, marks.keys({ start: Buffer.of(0) })[0]!)
    })
    const to = join(newFolder(), 'saved')
    const [report, findings] = await checked(folder, to)
    const records = findings.filter(({ kind }) => kind === 'record').map(({ what }) => what)
    expect(records).to.have.length(4)
    expect(textOf(findings)).to.include(`Object ${thing!.id}`).and.include('"thing 9"').and.include(`of table ${items.table.id}`)
    expect(findings.some(({ kind, how }) => kind === 'reference' && how.includes(thing!.id))).to.equal(true)
    expect(report.salvaged).to.deep.include({ objects: THINGS - 1, names: THINGS - 1, rows: ROWS - 1, tables: 1 })
    await on(to, async (backend) => {
      expect(await allOf(backend.objects({ classId: thing!.classId }))).to.have.length(THINGS - 1)
      expect((await stored(backend, items.things[8]!))!.cells.get('i')).to.equal(8)
      expect(await allOf(backend.aliases({ ref: items.things[8]! }))).to.deep.equal([['thing 8', items.things[8]]])
      expect(await backend.find([{ alias: 'thing 9' }])).to.deep.equal([undefined])
      expect(await allOf(backend.scan({ in: items.table.id }))).to.have.length(ROWS - 1)
      expect((await backend.rows(items.table.id, [['p0', 0n]]))[0]!.values).to.deep.equal([0n, 'note', 3n])
    })
    const [again] = await checked(to)
    expect(again.damaged).to.equal(0)
  })

  it('finds indexes that do not fit, and makes them anew', async () => {
    const [a, b] = items.things.slice(20)
    const folder = await changed((env) => {
      const [first] = env.objectsByClass.keys({ start: Buffer.of(0) }).filter((key) => Buffer.from(key).includes(Buffer.from(idKey(a!.id))))
      env.objectsByClass.remove(first!)
      env.namesByObject.remove(Buffer.concat([idKey(b!.id), Buffer.from('thing 21')]))
      env.namesByObject.put(Buffer.concat([idKey(b!.id), Buffer.from('never')]), Buffer.of(1))
    })
    const to = join(newFolder(), 'saved')
    const [, findings] = await checked(folder, to)
    expect(findings.map(({ kind }) => kind)).to.deep.equal(['index', 'index', 'index'])
    expect((await checked(to))[0].damaged).to.equal(0)
  })

  it('tells what leads nowhere from damage', async () => {
    const folder = copyOf(sound)
    // The copy belongs to the first: it takes the place of one that is gone.
    const [gone] = items.things.slice(30)
    const env = await openEnvironment(folder)
    env.transactions.write(() => {
      for (const key of env.objectsByClass.keys({ start: Buffer.of(0) }))
        if (Buffer.from(key).includes(Buffer.from(idKey(gone!.id)))) env.objectsByClass.remove(key)
      env.objects.remove(idKey(gone!.id))
    })
    await env.file.close()
    const [report, findings] = await checked(folder)
    expect(report).to.include({ damaged: 0, dangling: 2 })
    expect(textOf(findings)).to.include(`Object ${items.things[29]!.id}: it refers to object ${gone!.id}`).and.include('"thing 30"')
  })

  it('rebuilds a table from its owner', async () => {
    const folder = await changed(({ tables }) => {
      const key = idKey(items.table.id)
      tables.put(key, flipped(tables.get(key)!))
    })
    const to = join(newFolder(), 'saved')
    await checked(folder, to)
    await on(to, async (backend) => {
      expect(await backend.table(items.table.id)).to.deep.equal(items.table)
      expect(await allOf(backend.scan({ in: items.table.id }))).to.have.length(ROWS)
    })
  })

  it('saves what hangs below a page that is destroyed', async () => {
    const file = new PageFile(join(sound, 'data.mdb'), () => {})
    const roots = new Map([...file.trees(file.newest, () => {})].map(([name, tree]) => [name, tree.root]))
    file.close()
    for (const name of ['objects', 'names', 'rows']) {
      const folder = copyOf(sound)
      const bytes = readFileSync(join(folder, 'data.mdb'))
      bytes.fill(0xa5, roots.get(name)! * 4096, (roots.get(name)! + 1) * 4096)
      writeFileSync(join(folder, 'data.mdb'), bytes)
      const to = join(newFolder(), 'saved')
      const [report, findings] = await checked(folder, to)
      expect(
        findings.some(({ kind, what }) => kind === 'page' && what.includes(`Page ${roots.get(name)} `)),
        textOf(findings),
      ).to.equal(true)
      expect(report.salvaged, name).to.deep.include({ objects: THINGS, names: THINGS, rows: ROWS })
      await on(to, async (backend) => expect((await backend.find([{ alias: 'thing 5' }]))[0]!.ref!.id).to.equal(items.things[5]!.id))
    }
  }).timeout(60_000)

  it('goes on from the other of the first two pages when one is destroyed, and gives up without both', async () => {
    const bytes = readFileSync(join(sound, 'data.mdb'))
    for (const page of [0, 1]) {
      const folder = copyOf(sound)
      const damaged = Buffer.from(bytes)
      damaged.fill(0, page * 4096, (page + 1) * 4096)
      writeFileSync(join(folder, 'data.mdb'), damaged)
      const [report] = await checked(folder, join(newFolder(), 'saved'))
      expect(report.damaged).to.be.greaterThan(0)
      expect(report.salvaged!.objects).to.equal(THINGS)
    }
    const folder = copyOf(sound)
    writeFileSync(join(folder, 'data.mdb'), Buffer.alloc(bytes.length, 3))
    await failure(CorruptError, () => checked(folder))
    await failure(UnavailableError, () => checked(join(folder, 'nowhere')))
    await failure(ValidationError, () => checked(sound, sound))
  })

  it('judges no file of another format', async () => {
    const folder = await changed(({ meta }) => meta.put(Buffer.from('format'), Buffer.from('4')))
    expect((await failure(UnsupportedError, () => checked(folder))).code).to.equal('ERR_FORMAT_VERSION')
  })

  it('tells of a map that ends its reader', async () => {
    const folder = copyOf(sound)
    const bytes = readFileSync(join(folder, 'data.mdb'))
    writeFileSync(join(folder, 'data.mdb'), bytes.subarray(0, Math.floor(bytes.length / 4096) * 3072))
    const [report, findings] = await checked(folder, join(newFolder(), 'saved'))
    expect(report.damaged).to.be.greaterThan(0)
    expect(
      findings.some(({ kind }) => kind === 'reader'),
      textOf(findings.slice(-3)),
    ).to.equal(true)
    expect(report.salvaged!.objects).to.be.greaterThan(10)
  })

  it('salvages into a folder for its user alone, over nothing, and into one that is named', async () => {
    const parent = newFolder()
    const to = join(parent, 'saved?')
    await checked(sound, to)
    expect([readdirSync(to), statSync(to).mode & 0o777]).to.deep.equal([['data.mdb'], 0o700])
    for (const taken of ['', to]) {
      const { code } = await failure(ValidationError, () => checked(sound, taken))
      expect(code).to.equal('ERR_BACKUP_FOLDER')
    }
    await failure(UnavailableError, () => checked(sound, join(to, 'data.mdb')))
    expect(readdirSync(parent)).to.deep.equal(['saved?'])
  })

  it('never takes a changed byte of a page in use for sound, and never dies of one', () => {
    const path = join(sound, 'data.mdb')
    const whole = readFileSync(path)
    const target = join(newFolder(), 'data.mdb')
    const contents = (of: string): [string, Finding[]] => {
      const findings: Finding[] = []
      const seen: string[] = []
      const file = new PageFile(of, (page, tree, how) => findings.push({ kind: 'page', what: `Page ${page} (${tree})`, how }))
      try {
        const survey = new Survey(file, (f) => findings.push(f))
        survey.readAll()
        survey.compare()
        for (const name of [
          'objects',
          'names',
          'tables',
          'rows',
          'marks',
          'staged',
          'receipts',
          'classes',
          'objectsByClass',
          'namesByObject',
        ] as const)
          for (const [key, value] of survey.entries(name, () => {}))
            seen.push(`${name} ${key.toString('latin1')} ${name.includes('By') ? '' : value.toString('latin1')}`)
      } finally {
        file.close()
      }
      return [seen.join('\n'), findings]
    }
    const [before] = contents(path)
    const file = new PageFile(path, () => {})
    const survey = new Survey(file, () => {})
    survey.readAll()
    const used = [...survey.used]
    file.close()
    const random = randomOf(7)
    let found = 0
    for (let nth = 0; nth < 80; nth++) {
      const page = used[Math.floor(random() * used.length)]!
      // The head and the list of entries more often than the contents, which have checksums.
      const at = page * 4096 + Math.floor(random() ** 3 * 4096)
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << Math.floor(random() * 8)
      writeFileSync(target, bytes)
      const [after, findings] = contents(target)
      if (findings.some(({ kind }) => kind !== 'reference')) found++
      else expect(after === before, `byte ${at % 4096} of page ${page}`).to.equal(true)
    }
    expect(found).to.be.greaterThan(25)
  }).timeout(60_000)
})
