import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'

const COMMAND = fileURLToPath(new URL('../conformance/run.js', import.meta.url))

const run = (...args: string[]): ReturnType<typeof runWith> => runWith([], ...args)

function runWith(options: readonly string[], ...args: string[]): { code: number | null; lines: string[]; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, COMMAND, ...args], { encoding: 'utf8', timeout: 120_000 })
  return { code: status, lines: stdout.split('\n').filter((line) => line !== ''), said: stderr }
}

describe('npm run conformance', function () {
  this.timeout(180_000)

  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'insitu-conformance-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('takes a url with options, prints lines of JSON alone, and leaves nothing', () => {
    const url = `nvram:${join(folder, 'new', 'deep')}?host=here`
    const { code, lines, said } = run(url, '--json', '--only', 'B17 ')
    expect([code, said]).to.deep.equal([0, ''])
    expect(lines.map((line) => JSON.parse(line) as object)).to.have.length(2)
    expect(JSON.parse(lines[1]!)).to.deep.equal({ backend: url, passed: 1, failed: 0, skipped: [] })
    expect(existsSync(join(folder, 'new'))).to.equal(false)
  })

  it('tells a failure by exit code 1, with its error, and each skip with its reason', () => {
    const breaks = join(folder, 'breaks.mjs')
    const cases = new URL('../conformance/cases.js', import.meta.url).href
    writeFileSync(
      breaks,
      `import { conformanceCases } from '${cases}'
       conformanceCases.find(({ id }) => id === 'B8').run = () => Promise.reject(new Error('on purpose'))`,
    )
    // B80 and its like are of a member that memory has not.
    const { code, lines, said } = runWith(['--import', pathToFileURL(breaks).href], 'memory:', '--only', 'B8')
    expect([code, lines.length]).to.deep.equal([1, 1])
    const { skipped, ...rest } = JSON.parse(lines[0]!) as { skipped: { case: string; why: string }[] }
    expect(rest).to.deep.equal({ backend: 'memory:', passed: 0, failed: 1 })
    expect(skipped.map((one) => one.case)).to.include.members(['B80', 'B81'])
    expect(said).to.contain('on purpose')
    for (const { case: id, why } of skipped) expect(said).to.match(new RegExp(`- ${id} .*skipped: ${why}`))
  })

  it('says what is wrong with its arguments, in a sentence', () => {
    for (const args of [[], ['bogus:x'], ['memory:', '--frob']]) {
      const { code, lines, said } = run(...args)
      expect([code, lines]).to.deep.equal([2, []])
      expect(said)
        .to.contain('usage: ')
        .and.not.match(/^\s+at /m)
    }
    const none = run('memory:', '--only', 'no such case')
    expect(none.code).to.equal(2)
    expect(none.said).to.contain('no such case')
  })

  it('ends at once where no store can be', () => {
    for (const url of ['redis://127.0.0.1:1', 'nvram:/proc/insitu', 'memory:?domains=0']) {
      const { code, lines, said } = run(url)
      expect([url, code, lines]).to.deep.equal([url, 3, []])
      expect(said).to.not.match(/^\s+at /m)
    }
  })
})
