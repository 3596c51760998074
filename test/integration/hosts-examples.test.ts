import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, type Ended, insitu, node } from './processes.js'

interface Closing {
  readonly tasks: number
  readonly nearShare: number
  readonly bytesMoved: number
  readonly seconds: number
}

const example = (name: string): string => join(root, `dist/examples/${name}.js`)

/** Every example gives on three hosts what it gives without a runtime. */
describe('examples on logical hosts', function () {
  this.timeout(120_000)
  let folder: string
  let n = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-hosts-examples-'))
    await mkdir(join(folder, 'texts'))
    for (let i = 0; i < 6; i++) await writeFile(join(folder, `texts/${i}.txt`), `to be or not to be ${'word '.repeat(i)}`.repeat(50))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const run = async (args: readonly string[], storage: string, more: readonly string[] = [], env = {}): Promise<Ended> =>
    assertOk(await insitu(['run', '--json', '--storage', storage, ...more, ...args], { stateFolder: folder, env }))

  const linesOf = ({ stdout }: Ended): { readonly lines: readonly string[]; readonly closing: Closing } => {
    const lines = stdout.trimEnd().split('\n')
    return { closing: JSON.parse(lines.pop()!) as Closing, lines }
  }

  /** The program's own lines with hosts, and without a runtime; each on a store of its own. */
  async function both(...programs: readonly (readonly string[])[]): Promise<readonly [hosts: readonly string[], off: readonly string[]]> {
    const at = `nvram:${join(folder, String(n++))}`
    const outputs: string[][] = [[], []]
    for (const program of programs) {
      outputs[0]!.push(...linesOf(await run(program, `${at}-hosts`, ['--hosts', '3'])).lines)
      outputs[1]!.push(...linesOf(await run(program, `${at}-off`, [], { INSITU_RUNTIME: 'off' })).lines)
    }
    return [outputs[0]!, outputs[1]!]
  }

  it('quick-start', async () => {
    const [hosts, off] = await both([example('quick-start/app')])
    expect(hosts).to.deep.equal(off)
    expect(off.join()).to.include('4999950000')
  })

  it('wordcount, in three programs', async () => {
    const [hosts, off] = await both(
      [example('wordcount/producer'), join(folder, 'texts'), 'data'],
      [example('wordcount/consumer'), 'data', 'result'],
      [example('wordcount/cleaner'), 'data'],
    )
    expect([...hosts].sort()).to.deep.equal([...off].sort())
    expect(off).to.include('to 600')
  })

  it('bank, with two stores', async () => {
    const stores = (kind: string): string[] => [`nvram:${join(folder, `${kind}-a`)}`, `nvram:${join(folder, `${kind}-b`)}`]
    const told = async (kind: string, more: readonly string[], env = {}): Promise<string> => {
      await run([example('bank/teller'), 'anna', '20', ...stores(kind)], 'memory:', more, env)
      return (await run([example('bank/audit'), ...stores(kind)], 'memory:', more, env)).stdout.split('\n')[0]!
    }
    const expected = '10000 in 10 accounts of two stores'
    expect(await told('bank-hosts', ['--hosts', '3'])).to.equal(expected)
    expect(await told('bank-off', [], { INSITU_RUNTIME: 'off' })).to.equal(expected)
  })

  it('histogram: in situ moves nothing, with placement off all of it, and both find the same', async () => {
    const storage = `nvram:${join(folder, 'histogram')}`
    const program = [example('histogram/main'), '6']
    const inSitu = linesOf(await run(program, storage, ['--hosts', '3']))
    const fetched = linesOf(await run(program, storage, ['--hosts', '3', '--placement', 'off']))
    const again = linesOf(await run(program, storage, ['--hosts', '3']))
    const off = linesOf(await run(program, `${storage}-off`, ['--hosts', '3'], { INSITU_RUNTIME: 'off' }))
    expect(inSitu.lines).to.have.lengthOf(16)
    for (const one of [fetched, again, off]) expect(one.lines).to.deep.equal(inSitu.lines)
    expect([inSitu.closing.bytesMoved, inSitu.closing.nearShare]).to.deep.equal([0, 1])
    expect([again.closing.bytesMoved, again.closing.nearShare]).to.deep.equal([0, 1])
    expect(fetched.closing.bytesMoved)
      .to.be.greaterThan(6_000_000 - 1)
      .and.lessThan(6_100_000)
    expect(fetched.closing.nearShare).to.equal(0)
    expect(fetched.closing.tasks).to.equal(12 + 11)
    expect(Object.keys(fetched.closing)).to.deep.equal(['tasks', 'nearShare', 'bytesMoved', 'seconds'])
  })

  it('what hosts have stored is listed and drawn without them', async () => {
    const storage = `nvram:${join(folder, 'histogram')}`
    const { stdout } = assertOk(await insitu(['ls', '--all', '--json', '--storage', storage]))
    expect(stdout.match(/#Values"/g)).to.have.lengthOf(12)
    const drawing = assertOk(await insitu(['graph', '--format', 'dot'], { stateFolder: folder })).stdout
    expect(drawing).to.match(/23 tasks|26 tasks/)
    expect(drawing).to.include('on host-2')
    const gone = assertOk(await insitu(['gc', '--storage', storage, '--json']))
    expect(gone.stdout).not.to.include('#Values')
  })

  it('a program that neither begins nor ends by main runs and ends too', async () => {
    const tasks = pathToFileURL(join(root, 'dist/test/integration/hostile-tasks.js')).href
    await writeFile(
      join(folder, 'bare.mjs'),
      `import { addN, loopForeverBriefly, newBox, nOf, square } from '${tasks}'
       console.log(await square(4))
       await loopForeverBriefly().catch((error) => console.log(error.code))
       const box = await newBox(1)
       await addN(box, 2)
       console.log(await nOf(box))`,
    )
    const storage = `nvram:${join(folder, 'bare')}`
    const { code, stdout } = await node([join(folder, 'bare.mjs')], { storage, stateFolder: folder, env: { INSITU_HOSTS: '3' } })
    expect([code, stdout]).to.deep.equal([0, '16\nERR_TASK_TIMEOUT\n3\n'])
  })

  it('wrong numbers of hosts are wrong usage', async () => {
    for (const args of [
      ['--hosts', '0'],
      ['--hosts', 'x'],
      ['--placement', 'maybe'],
      ['--isolation', 'vat'],
    ])
      expect([args, (await insitu(['run', ...args, example('quick-start/app')])).code]).to.deep.equal([args, 2])
  })
})
