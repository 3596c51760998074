import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { moduleKey } from '../../src/classes/module-key.js'

describe('the name of a module', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'insitu-modules-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** A package with these modules; gives what each is called. */
  function keysIn(name: string, ...modules: string[]): string[] {
    const root = join(folder, name)
    mkdirSync(root)
    writeFileSync(join(root, 'package.json'), JSON.stringify({ name }))
    return modules.map((path) => moduleKey(new URL(path, `${pathToFileURL(root).href}/`).href))
  }

  it('is that of the package and its place in it, so that files of one name in two folders, or two packages, are two', () => {
    expect(keysIn('one', 'a/words.js', 'b/words.js', 'words.js')).to.deep.equal(['one/a/words', 'one/b/words', 'one/words'])
    expect(keysIn('other', 'a/words.js')).to.deep.equal(['other/a/words'])
  })

  it('is the same for a source and what a compiler makes of it, wherever it puts that', () => {
    const built = ['dist/deep/words.js', 'build/deep/words.mjs', 'out/deep/words.cjs', 'lib/deep/words.jsx', 'esm/deep/words.js']
    expect(new Set(keysIn('app', 'deep/words.ts', 'src/deep/words.ts', 'deep/words.mts?v=2#x', ...built))).to.deep.equal(
      new Set(['app/deep/words']),
    )
  })

  it('keeps the folder of sources where the output has it too', () => {
    mkdirSync(join(folder, 'kept/dist/src'), { recursive: true })
    writeFileSync(join(folder, 'kept/package.json'), '{ "name": "kept" }')
    const at = (path: string): string => moduleKey(pathToFileURL(join(folder, 'kept', path)).href)
    expect([at('src/words.ts'), at('dist/src/words.js')]).to.deep.equal(['kept/src/words', 'kept/src/words'])
  })
})
