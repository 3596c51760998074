/** Options and settings of commands: each has an effect, and what it says cannot be is told with the exit code that it has. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu } from './processes.js'

const ENTRY = pathToFileURL(join(root, 'dist/runtime/index.js')).href
const TASKS = `
  import { INOUT, StorageObject, task } from '${ENTRY}'
  export class Note extends StorageObject { n = 0 }
  export const one = task(() => 1)
  export const read = task((note) => note.n)`
/** Two runs with a task each, the first of which has data. */
const APP = `
  import { connect, finish, main } from '${ENTRY}'
  import { Note, one, read } from './tasks.mjs'
  main(import.meta, async () => {
    const note = await new Note().makePersistent('note', { ifExists: 'replace' })
    await read(note)
    if (process.argv[2] === 'twice') {
      await finish()
      await connect(process.env.INSITU_STORAGE)
      await one()
    }
  })`

describe('options of commands', function () {
  this.timeout(60_000)
  let folder: string
  let app: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-options-'))
    app = join(folder, 'app.mjs')
    await writeFile(join(folder, 'tasks.mjs'), TASKS)
    await writeFile(app, APP)
    await mkdir(join(folder, 'texts'))
    await writeFile(join(folder, 'texts/a.txt'), 'to be or not to be')
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const command = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
    insitu(args, { stateFolder: folder, cwd: folder, env })
  const [one, other] = ['nvram:./one', 'nvram:./other']

  it('what stands after the command wins over what stands before it', async () => {
    assertOk(await command(['run', '--storage', one, app]))
    expect(assertOk(await command(['--storage', other, 'ls', '--storage', one])).stdout).to.include('note')
    expect((await command(['--storage', one, 'show', 'note', '--storage', other])).code).to.equal(3)
  })

  it('graph draws the last run on the store that is named', async () => {
    for (const storage of [one, other]) assertOk(await command(['run', '--storage', storage, app]))
    const { run, storage } = JSON.parse(assertOk(await command(['graph', '--json', '--storage', one])).stdout)
    expect(storage).to.equal(`nvram:${join(folder, 'one')}`)
    const latest = JSON.parse(assertOk(await command(['graph', '--json'])).stdout)
    expect([latest.storage, latest.run > run]).to.deep.equal([`nvram:${join(folder, 'other')}`, true])
    const none = await command(['graph', '--storage', 'nvram:./none'])
    expect([none.code, none.stderr.includes('no such run')]).to.deep.equal([1, true])
  })

  it('run --json counts what ran before a finish() too', async () => {
    const { stdout } = assertOk(await command(['run', '--json', '--storage', one, app, 'twice']))
    expect(JSON.parse(stdout)).to.include({ tasks: 2, nearShare: 1 })
  })

  it('run ends with 3 where the store cannot be opened, whatever is wrong with its url, and with 2 where it is no url', async () => {
    for (const [storage, code] of [
      ['nvram:2LM:4', 3],
      ['nvram:./one?colour=red', 3],
      ['memory:?domains=none', 3],
      ['nonsense', 2],
    ] as const)
      expect([storage, (await command(['run', '--storage', storage, app])).code]).to.deep.equal([storage, code])
  })

  it('a proxy between hosts that is none is refused before anything is started', async () => {
    for (const proxy of ['here', 'here:99999']) {
      const { code, stderr } = await command(['run', '--hosts', '2', '--storage', 'nvram:./hosts', app], { INSITU_HOST_PROXY: proxy })
      expect([proxy, code]).to.deep.equal([proxy, 2])
      expect(stderr).to.include('INSITU_HOST_PROXY is host:port')
    }
  })

  it('demo tells the bytes that travelled, where data go to the tasks', async () => {
    const args = ['demo', '--folder', 'texts', '--out', join(folder, 'demo.svg'), '--hosts', '2', '--json']
    const { stdout } = assertOk(await command(args, { INSITU_PLACEMENT: 'off' }))
    expect(JSON.parse(stdout).bytesMoved).to.be.greaterThan('to be or not to be'.length)
  })

  it('demo that is interrupted ends with 130 and leaves nothing', async () => {
    const temporary = join(folder, 'temporary')
    await mkdir(temporary)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const args = [join(root, 'dist/runtime/cli/insitu.js'), 'demo', '--folder', join(folder, 'texts')]
      const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, TMPDIR: temporary }, stdio: 'ignore' })
      const ended = once(child, 'close')
      while (!readdirSync(temporary).some((name) => name.startsWith('insitu-demo-'))) await delay(2)
      child.kill(signal)
      expect([signal, ...(await ended)]).to.deep.equal([signal, 130, null])
      expect(readdirSync(temporary)).to.deep.equal([])
    }
  })
})
