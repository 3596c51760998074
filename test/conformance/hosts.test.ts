import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { node } from '../integration/processes.js'
import { root } from '../tools/test-files.js'

/** The whole suite once more, in a process of its own whose tasks run on three agents. */
describe('conformance: nvram, three hosts with agents', function () {
  this.timeout(480_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-conformance-hosts-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('passes whole', async () => {
    const env = { INSITU_HOSTS: '3' }
    const { stdout, stderr } = await node([join(root, 'dist/test/conformance/run.js'), `nvram:${folder}/store`, '--json'], { env })
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { passed: number; failed: number; skipped: { case: string }[] }
    // Rows that exclude each other lie at the host of their owner, and take no intents; files share none; no group is of unknown outcome. What a store holds, tables and streams, is listed by who opens its files, not through agents.
    expect([last.failed, last.skipped.map(({ case: id }) => id)], stderr + stdout.slice(-3000)).to.deep.equal([
      0,
      ['B77', 'I440', 'I441', 'B79', 'B80', 'B81', 'B82', 'B83', 'I568', 'I554'],
    ])
    expect(last.passed).to.be.greaterThan(250)
  })
})
