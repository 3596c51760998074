/** What commands owe to whoever types them: names that are anything, output that nobody reads, keys that interrupt, values without end. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { connect, StorageDict, StorageObject, t } from '../../runtime/index.js'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu, type ProcessOptions } from './processes.js'

class Thing extends StorageObject {
  text = ''
  value: unknown = undefined
}

class Shelf extends StorageObject {
  readonly deep = { rows: [new StorageDict({ k: t.text }, { v: t.i64 })] }
}

const COMMAND = join(root, 'dist/runtime/cli/insitu.js')
const ENTRY = pathToFileURL(join(root, 'dist/runtime/index.js')).href

/** Control characters but the ends of lines and the tabs between columns, and what changes the direction of text. */
const OBEYED = /(?![\n\t])[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u
const HOSTILE = '\x1b[31mred\x9b31mred\x7f\u202eabc\ntwo lines'

const jsonLines = ({ stdout }: Ended): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('commands, whatever they are given', function () {
  this.timeout(60_000)
  let folder: string
  let on: ProcessOptions

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-commands-'))
    on = { storage: `nvram:${join(folder, 'store')}`, stateFolder: folder }
    await stored(async () => {
      await Object.assign(new Thing(), { text: HOSTILE }).makePersistent(HOSTILE)
      let shared: unknown = [1, 2, 3]
      for (let i = 0; i < 40; i++) shared = [shared, shared]
      await Object.assign(new Thing(), { text: 'x'.repeat(1_000_000), value: shared }).makePersistent('endless')
      const shelf = await new Shelf().makePersistent('shelf')
      shelf.deep.rows[0]!.set({ k: 'a' }, { v: 1n as never })
      await shelf.save()
    })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function stored<T>(body: () => Promise<T>): Promise<T> {
    const store = await connect(on.storage)
    try {
      return await store.run(body)
    } finally {
      await store.close()
    }
  }

  /** The exit code of a command whose output nobody reads. */
  function unheard(...args: string[]): number {
    const line = `"${process.execPath}" "${COMMAND}" ${args.join(' ')} | true; exit \${PIPESTATUS[0]}`
    const { status } = spawnSync('bash', ['-c', line], { env: { ...process.env, INSITU_STORAGE: on.storage, INSITU_STATE: folder } })
    return status ?? -1
  }

  it('print nothing as it is that a terminal obeys, stored or typed, and give it all back in JSON', async () => {
    const [plain, listed, shown, got, none] = await Promise.all([
      insitu(['ls'], on),
      insitu(['ls', '--json'], on),
      insitu(['show', HOSTILE], on),
      insitu(['get', HOSTILE], on),
      insitu(['rm', `none of ${HOSTILE}`], on),
    ])
    expect(jsonLines(assertOk(listed)).map(({ alias }) => alias)).to.include(HOSTILE)
    expect(JSON.parse(assertOk(got).stdout)).to.include({ text: HOSTILE })
    const outputs = [assertOk(plain), listed, assertOk(shown), got, none]
    for (const { stdout, stderr } of outputs) expect(stdout + stderr).to.not.match(OBEYED)
  })

  it('show is short, and get writes what is shared and large once', async () => {
    const [shown] = jsonLines(assertOk(await insitu(['show', 'endless', '--json'], on)))
    for (const { value } of shown!['fields'] as { value: string }[]) expect(value.length).to.be.at.most(60)
    const { stdout } = assertOk(await insitu(['get', 'endless', '--json'], on))
    expect(stdout.length).to.be.within(1_000_000, 1_100_000)
    expect(JSON.parse(stdout).value[1]).to.deep.equal({ $same: 'value.0' })
  })

  it('get has the rows of every dict, and rm takes every dict along, however deep', async () => {
    const { deep } = JSON.parse(assertOk(await insitu(['get', 'shelf', '--rows', '9'], on)).stdout)
    expect(deep.rows[0].rows).to.deep.equal([{ k: 'a', v: 1 }])
    assertOk(await insitu(['rm', 'shelf'], on))
    const [summary] = jsonLines(assertOk(await insitu(['gc', '--dry-run', '--older-than', '0', '--json'], on)))
    expect(summary!['summary']).to.include({ table: 0 })
  })

  it('what has begun to change something goes on to its end though nobody reads what it says', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `thing-${i}`)
    await stored(async () => {
      for (const name of names) await new Thing().makePersistent(name)
      await Promise.all(Array.from({ length: 300 }, () => new Thing().makePersistent()))
    })
    expect(unheard('rm', ...names)).to.equal(0)
    expect(assertOk(await insitu(['ls', '--prefix', 'thing-'], on)).stdout).to.equal('')
    expect(unheard('gc', '--older-than', '0')).to.equal(0)
    const left = jsonLines(assertOk(await insitu(['gc', '--dry-run', '--older-than', '0', '--json'], on)))
    expect(left).to.have.lengthOf(1)
  })

  it('run lets a program go on that nobody listens to, and gives its exit code', async () => {
    const [app, done] = [join(folder, 'unheard.mjs'), join(folder, 'done')]
    await writeFile(
      app,
      `import { writeFileSync } from 'node:fs'
       import { main } from '${ENTRY}'
       main(import.meta, async () => {
         for (let i = 0; i < 100; i++) { console.log('line', i); await new Promise((r) => setTimeout(r, 1)) }
         writeFileSync(${JSON.stringify(done)}, '')
         process.exitCode = 7
       })`,
    )
    expect(unheard('run', '--json', app)).to.equal(7)
    expect(existsSync(done)).to.equal(true)
  })

  it('gc that is interrupted ends between two steps, with code 130', async () => {
    await stored(() => Promise.all(Array.from({ length: 2000 }, () => new Thing().makePersistent())))
    const child = spawn(process.execPath, [COMMAND, 'gc', '--older-than', '0'], { env: { ...process.env, INSITU_STORAGE: on.storage } })
    let said = ''
    child.stderr.on('data', (text: Buffer) => (said += text))
    child.stdout.once('data', () => child.kill('SIGINT'))
    expect(await once(child, 'close')).to.deep.equal([130, null])
    expect(said).to.match(/insitu:\S* interrupted\n$/)
    assertOk(await insitu(['gc', '--older-than', '0'], on))
  })

  it('what fsck has salvaged by half passes for nothing, whenever it is killed', async () => {
    const parent = join(folder, 'rescue')
    await mkdir(parent)
    const to = join(parent, 'saved')
    const child = spawn(process.execPath, [COMMAND, 'fsck', '--salvage', to], { env: { ...process.env, INSITU_STORAGE: on.storage } })
    const ended = once(child, 'close')
    while (child.exitCode === null && readdirSync(parent).length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    child.kill('SIGKILL')
    await ended
    expect(existsSync(to)).to.equal(false)
    assertOk(await insitu(['fsck', '--salvage', to], on))
    expect(assertOk(await insitu(['ls', '--json', '--storage', `nvram:${to}`], on)).stdout).to.equal(
      assertOk(await insitu(['ls', '--json'], on)).stdout,
    )
  })

  it('backup that is interrupted leaves nothing, with code 130', async () => {
    await stored(() =>
      Object.assign(new Thing(), { value: new Uint8Array(48 * 1024 * 1024) }).makePersistent('heavy', { ifExists: 'open' }),
    )
    const parent = join(folder, 'backups')
    await mkdir(parent)
    const child = spawn(process.execPath, [COMMAND, 'backup', join(parent, 'b')], { env: { ...process.env, INSITU_STORAGE: on.storage } })
    const ended = once(child, 'close')
    while (child.exitCode === null && readdirSync(parent).length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    child.kill('SIGINT')
    const [code] = await ended
    expect([code, readdirSync(parent)]).to.be.deep.oneOf([
      [130, []],
      [0, ['b']],
    ]) // it may have been whole already
  })

  it('urls that no program can open are told, by what looks for a store and by doctor; an empty folder is none of them', async () => {
    const told = [
      ['ls', '--storage', `nvram:${folder}/none?bogus=1`],
      ['doctor', '--storage', 'nvram:1LM:8'],
    ]
    for (const args of told) expect([args, (await insitu(args, on)).code]).to.deep.equal([args, 3])
    const empty = join(folder, 'empty')
    await mkdir(empty)
    const findings = jsonLines(assertOk(await insitu(['doctor', '--json', '--storage', `nvram:${empty}`], on)))
    expect(findings.find(({ what }) => what === 'store')).to.include({ health: 'ok' })
    expect(readdirSync(empty)).to.deep.equal([])
  })

  it('print no password of a url, whatever they cannot do with it', async () => {
    for (const args of [
      ['fsck', '--storage', 'postgres://user:s3cret@host/x'],
      ['fsck', '--storage', 'foo:bar?token=s3cret'],
      ['doctor', '--storage', 'redis://user:s3/cret@127.0.0.1:1'],
    ]) {
      const { code, stdout, stderr } = await insitu(args, on)
      expect([args, code]).to.deep.equal([args, 3])
      expect(stdout + stderr).to.not.include('s3')
    }
  })
})
