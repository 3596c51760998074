import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'

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
