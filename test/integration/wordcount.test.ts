import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { countWords } from '../../examples/wordcount/count-words.js'
import { PIECE_BYTES_MAX, pieces, textFiles } from '../../examples/wordcount/texts.js'
import { root } from '../tools/test-files.js'
import { assertOk, insitu, node, type ProcessOptions, wordcount } from './processes.js'

/** Every word a few times, in an order of its own in each file; whitespace of several kinds, a file of bytes that are no text. */
async function makeTexts(folder: string): Promise<void> {
  await mkdir(join(folder, 'deeper'), { recursive: true })
  const words = ['In', 'in', 'situ', 'naïve', '日本語', '__proto__', 'constructor', '%d', '💾', 'x'.repeat(3000), '-', '\u0001\u0000']
  const text = (seed: number): string =>
    Array.from({ length: 600 }, (_, i) => words[(i * seed + (i >> 3)) % (words.length - 1)]).join(seed % 2 ? ' ' : '\u00a0\n\t')
  for (let seed = 1; seed <= 8; seed++) await writeFile(join(folder, seed % 3 ? `${seed}.txt` : `deeper/${seed}.md`), text(seed))
  await writeFile(join(folder, 'broken.txt'), Buffer.from([0x61, 0xff, 0x20, 0xc3, 0x28]))
  await writeFile(join(folder, 'binary.dat'), Buffer.from([1, 2, 0, 3]))
  await writeFile(join(folder, 'empty.txt'), '')
}

/** Lines in any order: the plain program and a store order them differently. */
const sorted = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .sort()

describe('wordcount: three programs share a dataset', function () {
  this.timeout(120_000)
  let folder: string
  let texts: string
  let expected: readonly string[]
  let on: ProcessOptions

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-wordcount-'))
    texts = join(folder, 'texts')
    on = { storage: `nvram:${join(folder, 'store')}`, stateFolder: folder }
    await makeTexts(texts)
    expected = sorted(assertOk(await wordcount('sequential', [texts])).stdout)
    assertOk(await wordcount('producer', [texts, 'experiment1'], on))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const consume = async (result: string): Promise<readonly string[]> =>
    sorted(assertOk(await wordcount('consumer', ['experiment1', result], on)).stdout)

  it('the plain program counts what split(/\\s+/) gives', async () => {
    const counts = new Map<string, number>()
    for await (const path of textFiles({ folder: texts })) {
      let whole = ''
      for await (const piece of pieces(path)) whole += piece
      for (const word of whole.split(/\s+/)) if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1)
    }
    expect(counts.size).to.be.greaterThan(10)
    expect(expected).to.deep.equal([...counts].map(([word, n]) => `${word} ${n}`).sort())
  })

  it('the counts equal those of the plain program', async () => expect(await consume('result1')).to.deep.equal(expected))

  it('so do counts that are merged in a tree', async () => {
    const { stdout } = assertOk(await wordcount('merging-consumer', ['experiment1', 'merged'], on))
    expect(sorted(stdout)).to.deep.equal(expected)
  })

  it('run again with the same RESULT: the same counts, not added up', async () => {
    for (let time = 0; time < 2; time++) expect(await consume('result-again')).to.deep.equal(expected)
  })

  it('two consumers at once with different RESULTs', async () => {
    const [a, b] = await Promise.all([consume('result-a'), consume('result-b')])
    expect(a).to.deep.equal(expected)
    expect(b).to.deep.equal(expected)
  })

  it('two consumers at once with the same RESULT leave one complete result under it', async () => {
    const both = await Promise.all([consume('result-same'), consume('result-same')])
    expect(both).to.deep.equal([expected, expected])
    const { stdout } = assertOk(await insitu(['get', 'result-same', '--rows', '1000', '--json'], on))
    const { counts, long } = JSON.parse(stdout) as { counts: { rows: { word: string; n: number }[] }; long: Record<string, number> }
    const left = [...counts.rows.map(({ word, n }) => `${word} ${n}`), ...Object.entries(long).map(([word, n]) => `${word} ${n}`)]
    expect(left.sort()).to.deep.equal(expected)
  })

  it('while a producer writes another dataset', async () => {
    const [counts] = await Promise.all([consume('result-meanwhile'), wordcount('producer', [texts, 'experiment2'], on).then(assertOk)])
    expect(counts).to.deep.equal(expected)
  })

  it('without a folder: the licences and readmes of the packages in node_modules', async () => {
    const project = join(folder, 'project')
    for (const [path, text] of [
      ['node_modules/a/LICENSE', 'free for all'],
      ['node_modules/a/deep/readme.md', 'read me'],
      ['node_modules/b/LICENCE.txt', 'all of it'],
      ['node_modules/b/index.js', 'no text'],
      ['README.md', 'not of a package'],
    ] as const) {
      await mkdir(join(project, path, '..'), { recursive: true })
      await writeFile(join(project, path), text)
    }
    const there = { ...on, cwd: project }
    assertOk(await wordcount('producer', ['of-packages'], there))
    const { stdout } = assertOk(await wordcount('consumer', ['of-packages', 'result-packages'], there))
    expect(sorted(stdout)).to.deep.equal(['all 2', 'for 1', 'free 1', 'it 1', 'me 1', 'of 1', 'read 1'])
    assertOk(await wordcount('cleaner', ['of-packages'], there))
    const demo = assertOk(await insitu(['demo', '--json'], { cwd: project }))
    expect(JSON.parse(demo.stdout)).to.deep.include({ words: { all: 2, for: 1, free: 1, it: 1, me: 1, of: 1, read: 1 }, done: 6 })
  })

  it('the programs run as TypeScript, under tsx and under insitu run', async () => {
    const consumer = join(root, 'examples/wordcount/consumer.ts')
    const byTsx = assertOk(await node(['--import', 'tsx', consumer, 'experiment1', 'result-tsx'], on))
    expect(sorted(byTsx.stdout)).to.deep.equal(expected)
    const byRun = assertOk(await insitu(['run', consumer, 'experiment1', 'result-run'], on))
    expect(sorted(byRun.stdout)).to.deep.equal(expected)
  })

  it('the same results with the runtime off', async () => {
    const { stdout } = assertOk(await wordcount('consumer', ['experiment1', 'result-off'], { ...on, env: { INSITU_RUNTIME: 'off' } }))
    expect(sorted(stdout)).to.deep.equal(expected)
  })

  it('a producer refuses an alias in use before it stores anything', async () => {
    const before = assertOk(await insitu(['ls', '--all', '--json'], on)).stdout
    const { code, stderr } = await wordcount('producer', [texts, 'experiment1'], on)
    expect(code).to.equal(1)
    expect(stderr).to.include('experiment1')
    expect(sorted(assertOk(await insitu(['ls', '--all', '--json'], on)).stdout)).to.deep.equal(sorted(before))
  })

  it('wrong usage ends with code 2 and the usage', async () => {
    for (const program of ['producer', 'consumer', 'cleaner'] as const) {
      const { code, stderr } = await wordcount(program, [], on)
      expect([code, stderr]).to.satisfy(([c, text]: [number, string]) => c === 2 && text.startsWith(`usage: ${program}.ts`))
    }
  })

  it('the cleaner deletes the dataset with its blocks, and nothing else', async () => {
    const blocks = async (): Promise<number> =>
      sorted(assertOk(await insitu(['ls', '--all', '--class', 'Block', '--json'], on)).stdout).length
    const stored = await blocks()
    assertOk(await wordcount('cleaner', ['experiment2'], on))
    expect(await blocks()).to.equal(stored / 2)
    assertOk(await wordcount('cleaner', ['experiment1'], on))
    expect(await blocks()).to.equal(0)
    expect((await insitu(['show', 'result1'], on)).code).to.equal(0)
  })

  it('an unknown alias is named, with exit code 1', async () => {
    for (const [program, args] of [
      ['consumer', ['nowhere', 'result1']],
      ['cleaner', ['nowhere']],
    ] as const) {
      const { code, stderr } = await wordcount(program, args, on)
      expect(code).to.equal(1)
      expect(stderr).to.include('nowhere')
    }
  })
})

describe('countWords', () => {
  it('every white space of \\s parts words, and nothing else does', () => {
    for (let code = 0; code < 0x10000; code++) {
      const character = String.fromCharCode(code)
      const wanted = `a${character}b`.split(/\s+/).length
      if (countWords(`a${character}b`).size !== wanted) expect.fail(`U+${code.toString(16)} should give ${wanted} words`)
    }
  })

  it('counts a word at both ends of the text, keeps case, and holds dangerous names', () => {
    expect([...countWords('a A __proto__ a')]).to.deep.equal([
      ['a', 2],
      ['A', 1],
      ['__proto__', 1],
    ])
    expect(countWords(' \n').size).to.equal(0)
  })
})

describe('pieces', () => {
  it('cut no word, lose nothing, and stay within 8 MiB', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-pieces-'))
    try {
      const text = Array.from({ length: 2_000_000 }, (_, i) => `wörd${i % 977}`).join(' ')
      await writeFile(join(folder, 'a'), text)
      const found: string[] = []
      for await (const piece of pieces(join(folder, 'a'))) found.push(piece)
      expect(found.length).to.equal(Math.ceil(Buffer.byteLength(text) / (PIECE_BYTES_MAX - 64 * 1024)))
      expect(found.join('')).to.equal(text)
      for (const piece of found) expect(Buffer.byteLength(piece)).to.be.at.most(PIECE_BYTES_MAX)
      for (const piece of found.slice(0, -1)) expect(piece).to.match(/\s$/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
