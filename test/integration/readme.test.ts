import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, insitu } from './processes.js'

const SUMS = '[ 4999950000, 5000050000, 5000150000, 5000250000 ]\n100000\n'

describe('README', function () {
  this.timeout(60_000)

  it('shows the program that stands in examples/quick-start', async () => {
    const program = await readFile(join(root, 'examples/quick-start/app.ts'), 'utf8')
    expect(await readFile(join(root, 'README.md'), 'utf8')).to.include(`\`\`\`ts\n${program}\`\`\``)
    expect(program.split('\n').length).to.be.at.most(30)
  })

  it('and that program prints what it says, run twice on one store', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-readme-'))
    const on = { storage: `nvram:${join(folder, 'store')}`, stateFolder: folder }
    try {
      for (let i = 0; i < 2; i++)
        expect(assertOk(await insitu(['run', join(root, 'examples/quick-start/app.ts')], on)).stdout).to.equal(SUMS)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('links only to files that exist', async () => {
    for (const page of ['README.md', 'docs/objects.md', 'docs/errors.md', 'docs/dependencies.md']) {
      const text = await readFile(join(root, page), 'utf8')
      const folder = join(root, page, '..')
      for (const [, link = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g))
        await readFile(join(folder, link)).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EISDIR') expect.fail(`${page} links to ${link}: ${error.code}`)
        })
    }
  })
})
