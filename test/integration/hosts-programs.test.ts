/** Programs on hosts, as they are started: what their tasks print, what tasks run in, and where sockets lie. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { assertOk, type Ended, insitu } from './processes.js'

const PROGRAM = fileURLToPath(new URL('./host-program.js', import.meta.url))
const LINES = 5000

describe('a program on hosts', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-hosts-programs-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const run = (what: string, options: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    insitu(['run', '--hosts', '2', ...options, '--json', PROGRAM, what], {
      storage: `nvram:${join(folder, 'store')}`,
      stateFolder: join(folder, 'state'),
      env,
    })

  for (const isolation of ['thread', 'process'])
    it(`has all that its tasks have printed before it ends: in a ${isolation}`, async () => {
      const lines = assertOk(await run('print', ['--isolation', isolation]))
        .stdout.trim()
        .split('\n')
      expect(lines.slice(0, -1)).to.deep.equal(Array.from({ length: LINES }, (_, i) => `line ${i}`))
      expect(JSON.parse(lines.at(-1)!)).to.include({ tasks: 1 })
    })

  it('has its tasks in processes where that is asked for: one that crashes takes nothing with it that its host keeps', async () => {
    const { stdout } = assertOk(await run('crash', ['--isolation', 'process']))
    expect(JSON.parse(stdout.split('\n')[0]!)).to.deep.equal({ code: 'ERR_WORKER_LOST', kept: 200_000, remade: 0 })
  })

  it('reaches its hosts also where the folder for temporary files has a long name, and leaves nothing there', async () => {
    const long = join(folder, 'long'.repeat(30))
    await mkdir(long)
    assertOk(await run('print', [], { TMPDIR: long }))
    expect(await readdir(long)).to.deep.equal([])
  })

  it('is told of a folder for temporary files that is not there', async () => {
    const { code, stderr } = await run('print', [], { TMPDIR: join(folder, 'none') })
    expect(code).to.equal(2)
    expect(stderr).to.include('TMPDIR').and.to.include(join(folder, 'none'))
  })
})
