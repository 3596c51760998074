import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, insitu } from './processes.js'

/** Where a program may run. */
const PLACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'one worker': { INSITU_WORKERS: '1' },
  'three workers': { INSITU_WORKERS: '3' },
  'three hosts': { INSITU_HOSTS: '3' },
}
const OFF = { INSITU_RUNTIME: 'off' }

/** The programs of each example, in order, with their arguments; TEXTS is a folder of texts, A and B are stores. */
const PROGRAMS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'quick-start': [['app']],
  wordcount: [
    ['producer', 'TEXTS', 'data'],
    ['consumer', 'data', 'result'],
    ['merging-consumer', 'data', 'merged'],
    ['sequential', 'TEXTS'],
    ['cleaner', 'data'],
  ],
  histogram: [['main', '1']],
  bank: [
    ['teller', 'anna', '10', 'A', 'B'],
    ['audit', 'A', 'B'],
  ],
}
/** A backend and no program: sqlite-backend.test.ts. */
const OTHERS = ['sqlite-backend']

describe('every example gives what it gives with the runtime off', function () {
  this.timeout(120_000)
  let folder: string
  let n = 0
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-examples-'))
    await mkdir(join(folder, 'texts'))
    for (let i = 0; i < 3; i++) await writeFile(join(folder, `texts/${i}.txt`), `to be or not to be ${'that is '.repeat(i)}`)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** What its programs print, each line by line. */
  async function printed(example: string, env: Readonly<Record<string, string>>): Promise<readonly string[][]> {
    const at = join(folder, String(n++))
    const stores: Readonly<Record<string, string>> = { TEXTS: join(folder, 'texts'), A: `nvram:${at}-a`, B: `nvram:${at}-b` }
    const all: string[][] = []
    for (const [name, ...args] of PROGRAMS[example]!) {
      const program = join(root, `dist/examples/${example}/${name}.js`)
      const given = args.map((arg) => stores[arg] ?? arg)
      const { stdout } = assertOk(await insitu(['run', '--storage', `nvram:${at}`, program, ...given], { stateFolder: folder, env }))
      all.push(stdout.trimEnd().split('\n').sort())
    }
    return all
  }

  it('none is forgotten here', () => {
    const all = readdirSync(join(root, 'examples')).filter((name) => !OTHERS.includes(name))
    expect(all.sort()).to.deep.equal(Object.keys(PROGRAMS).sort())
  })

  for (const example of Object.keys(PROGRAMS))
    it(`${example}: with ${Object.keys(PLACES).join(', ')}`, async () => {
      const off = await printed(example, OFF)
      expect(off.flat().join('').length).to.be.greaterThan(10)
      for (const [place, env] of Object.entries(PLACES)) expect(await printed(example, env), place).to.deep.equal(off)
    })
})
