import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, insitu, node } from './processes.js'

interface Program {
  readonly file: string
  readonly text: string
  /** What the page says that it prints. */
  readonly prints: string
}

/** The programs of a page: blocks of TypeScript that begin with the name of their file, and what stands below them. */
function programsIn(page: string): readonly Program[] {
  const blocks = page.matchAll(/^```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)
  return Array.from(blocks, ([, file = '', text = '', prints = '']) => ({ file, text, prints }))
}

const STRICT = {
  compilerOptions: {
    strict: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    noEmit: true,
  },
}

for (const name of ['objects', 'tasks'])
  describe(`docs/${name}.md`, function () {
    this.timeout(120_000)
    let folder: string
    let programs: readonly Program[]
    before(async () => {
      const page = await readFile(join(root, `docs/${name}.md`), 'utf8')
      programs = programsIn(page)
      expect(programs.length, 'every block of TypeScript is a program').to.equal([...page.matchAll(/^```ts$/gm)].length)
      folder = await mkdtemp(join(tmpdir(), 'insitu-page-'))
      await mkdir(join(folder, 'node_modules'))
      await symlink(root, join(folder, 'node_modules/insitu'))
      await symlink(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'))
      await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'page', type: 'module' }))
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(STRICT))
      for (const { file, text } of programs) await writeFile(join(folder, file), text)
    })
    after(() => rm(folder, { recursive: true, force: true }))

    it('shows programs that a strict compiler takes', async () => {
      assertOk(await node([join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]))
    })

    it('and that print what it says', async () => {
      for (const { file, prints } of programs) {
        const ended = await insitu(['run', file], { cwd: folder, storage: `nvram:${join(folder, 'store')}`, stateFolder: folder })
        expect(assertOk(ended).stdout, file).to.equal(prints)
      }
    })
  })
