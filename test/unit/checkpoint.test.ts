import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { Checkpoint } from '../../runtime/driver/checkpoint.js'
import { newId } from '../../src/ids.js'
import { root } from '../tools/test-files.js'

const MODULE = pathToFileURL(join(root, 'dist/runtime/driver/checkpoint.js')).href

/** Takes runs at given moments, tells those that it got, and holds them until it is ended. */
const TAKER = `
  import { Checkpoint } from '${MODULE}'
  const [folder, from, ...runs] = process.argv.slice(1)
  const got = runs.filter((run, i) => {
    while (Date.now() < Number(from) + i * 10);
    try { return new Checkpoint(run, folder) } catch (error) { if (error.code !== 'ERR_RUN_GOES_ON') throw error }
  })
  console.log(JSON.stringify(got))
  setInterval(() => {}, 1000)`

describe('the file of a run that may be gone on with', function () {
  this.timeout(30_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-checkpoint-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** Another process that takes runs, and how it is ended. */
  async function taker(from: number, runs: readonly string[]): Promise<{ got: string[]; pid: number; end(): Promise<unknown> }> {
    const args = ['--input-type=module', '-e', TAKER, folder, String(from), ...runs]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const closed = once(child, 'close')
    const end = (): Promise<unknown> => {
      child.kill('SIGKILL')
      return closed
    }
    return { got: JSON.parse(line.toString()) as string[], pid: child.pid!, end }
  }

  it('is one program’s at a time, also where two take it in the same moment', async () => {
    const runs = Array.from({ length: 60 }, () => newId())
    const from = Date.now() + 1000
    const takers = await Promise.all([taker(from, runs), taker(from, runs)])
    await Promise.all(takers.map((one) => one.end()))
    const [first, second] = takers.map(({ got }) => new Set(got))
    expect(runs.filter((run) => first!.has(run) && second!.has(run))).to.deep.equal([])
    expect(first!.size + second!.size).to.be.greaterThan(0)
  })

  it('is not held by a program that has ended, whoever has its number since', async () => {
    const run = newId()
    const { got, pid, end } = await taker(0, [run])
    expect(got).to.deep.equal([run])
    expect(() => new Checkpoint(run, folder)).to.throw(`run ${run} goes on in process ${pid}`)
    await end()
    // as if the process that started the tests had got the number
    for (const name of readdirSync(folder).filter((one) => one.startsWith(run) && one.endsWith('.lock'))) {
      const [from, to] = [join(folder, name), join(folder, name.replace(`.${pid}.`, `.${process.ppid}.`))]
      renameSync(from, to)
      writeFileSync(to, readFileSync(to, 'utf8').replace(String(pid), String(process.ppid)))
    }
    const taken = new Checkpoint(run, folder)
    expect(readdirSync(folder).filter((one) => one.startsWith(run) && one.endsWith('.lock'))).to.have.lengthOf(1)
    taken.close(true)
    expect(readdirSync(folder).filter((one) => one.startsWith(run))).to.deep.equal([])
  })
})
