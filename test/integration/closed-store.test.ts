import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'

const LMDB = import.meta.resolve('lmdb')
const PACKAGE = new URL('../../runtime/index.js', import.meta.url).href

/** Runs a program of its own in an empty folder; gives what it printed. */
function printed(folder: string, body: string): string {
  const program = `
    import { connect, StorageObject, UnavailableError } from ${JSON.stringify(PACKAGE)}
    export class Note extends StorageObject { text = 'x' }
    ${body}`
  writeFileSync(join(folder, 'program.mjs'), program)
  return execFileSync(process.execPath, ['program.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, INSITU_STORAGE: '' },
  }).trim()
}

/** Opens and closes stores, with tasks on each; then tells who still reads the file, and whether tasks go on. */
const CHURN = `
  import { setTimeout as delay } from 'node:timers/promises'
  import { open } from '${LMDB}'
  import { connect, main, StorageObject, task } from '${PACKAGE}'
  export class Note extends StorageObject { n = 0 }
  export const grow = task(async (note, ms) => { await delay(ms); return ++note.n }, { args: ['INOUT'] })
  main(import.meta, async () => {
    const [, , url, file] = process.argv
    const readers = async () => {
      const db = open(file, { noSubdir: false, maxDbs: 24 })
      const count = db.readerList().split('\\n').filter((line) => /^ *[0-9]/.test(line)).length
      await db.close()
      return count
    }
    for (let i = 0; i < 24; i++) {
      const store = await connect(url)
      const notes = await store.run(() => Promise.all([0, 1, 2, 3].map(() => new Note().makePersistent())))
      const grown = await Promise.all(notes.map((note) => grow(note, 0)))
      if (grown.join() !== '1,1,1,1') throw new Error(grown.join())
      await store.close()
    }
    const store = await connect(url)
    const note = await store.run(() => new Note().makePersistent('last'))
    const late = grow(note, 300).then(() => 'stored', (error) => error.name)
    await delay(100)
    await store.close()
    await late
    for (let i = 0; i < 60 && (await readers()) > 3; i++) await delay(50)
    const again = await connect(url)
    console.log(await readers() <= 4, await grow(await again.run(() => Note.getByAlias('last')), 0) >= 1)
  })`

describe('a store that was closed', function () {
  this.timeout(60_000)

  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'insitu-closed-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('that the program had chosen is not replaced by the default one', () => {
    const out = printed(
      folder,
      `const store = await connect('nvram:./chosen')
       await new Note().makePersistent('a')
       await store.close()
       const error = await new Note().makePersistent('b').catch((e) => e)
       console.log(error instanceof UnavailableError, error.code)
       const again = await connect('nvram:./chosen')
       console.log((await Note.getByAlias('a')).text)
       await again.close()`,
    )
    expect(out.split('\n')).to.deep.equal(['true ERR_CLOSED', 'x'])
    expect(readdirSync(folder)).to.not.include('.insitu')
  })

  it('that was the default one is opened again', () => {
    const out = printed(
      folder,
      `const store = await connect()
       await new Note().makePersistent('a')
       await store.close()
       console.log((await Note.getByAlias('a')).text)`,
    )
    expect(out).to.equal('x')
  })

  const places = {
    threads: ['nvram:./store', './store', {}],
    processes: ['nvram:./store', './store', { INSITU_ISOLATION: 'process' }],
    'three hosts': ['nvram:./store', './store/host-1', { INSITU_HOSTS: '3' }],
  } as const
  for (const [place, [url, file, env]] of Object.entries(places))
    it(`is closed by workers as well, when nothing there needs it any more: ${place}`, () => {
      writeFileSync(join(folder, 'churn.mjs'), CHURN)
      const out = execFileSync(process.execPath, ['churn.mjs', url, file], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, ...env },
      })
      expect(out.trim()).to.equal('true true')
    })

  it('is not in the way of objects of another one, and none is opened for them', () => {
    const out = printed(
      folder,
      `import { update, getLocations } from ${JSON.stringify(PACKAGE)}
       const first = await connect('nvram:./first')
       const second = await connect('nvram:./second')
       const note = await second.run(() => new Note().makePersistent('a'))
       await first.close()
       note.text = 'y'
       await note.save()
       await update(note, (it) => { it.text += 'z' })
       await note.makePersistent('b')
       await note.addAlias('c')
       await note.reload()
       console.log(note.text, (await note.aliases()).join(), (await getLocations(note)).length)
       await second.close()
       note.text = 'x'
       console.log((await note.save().catch((e) => e)).code)`,
    )
    expect(out.split('\n')).to.deep.equal(['yz a,b,c 1', 'ERR_CLOSED'])
    expect(readdirSync(folder)).to.not.include('.insitu')
  })
})
