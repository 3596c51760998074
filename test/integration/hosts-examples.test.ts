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

describe('examples on logical hosts', function () {
  this.timeout(120_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-hosts-examples-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const run = async (args: readonly string[], storage: string, more: readonly string[] = [], env = {}): Promise<Ended> =>
    assertOk(await insitu(['run', '--json', '--storage', storage, ...more, ...args], { stateFolder: folder, env }))

  const linesOf = ({ stdout }: Ended): { readonly lines: readonly string[]; readonly closing: Closing } => {
    const lines = stdout.trimEnd().split('\n')
    return { closing: JSON.parse(lines.pop()!) as Closing, lines }
  }

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
    expect(drawing).to.include('23 tasks on 3 hosts; 100 % of those with data ran where it was; 0 bytes moved')
    expect(drawing).to.include('on host-2')
    const gone = assertOk(await insitu(['gc', '--storage', storage, '--json']))
    expect(gone.stdout).not.to.include('#Values')
  })

  it('demo tells the share that ran where the data was, and the bytes that travelled', async () => {
    const [texts, out] = [join(folder, 'long-texts'), join(folder, 'demo.svg')]
    await mkdir(texts)
    for (let i = 0; i < 4; i++) await writeFile(join(texts, `${i}.txt`), 'to be or not to be '.repeat(2000))
    const args = ['demo', '--folder', texts, '--hosts', '2', '--out', out]
    const far = assertOk(await insitu([...args, '--json'], { env: { INSITU_PLACEMENT: 'off' } }))
    const { words, nearShare, bytesMoved } = JSON.parse(far.stdout) as Record<string, unknown>
    expect([words, nearShare]).to.deep.equal([{ to: 16_000, be: 16_000, or: 8_000, not: 8_000 }, 0])
    // Each text is fetched by the task that counts its words.
    expect(bytesMoved).to.be.greaterThan(4 * 2000 * 19)
    // On a busy machine a task may rather have its text fetched than wait.
    const { stderr } = assertOk(await insitu(args))
    expect(stderr).to.match(/^[1-9]\d* % of those with data ran on the one of 2 hosts that had it$/m)
    expect(stderr).to.match(/B of data travelled with tasks/)
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
