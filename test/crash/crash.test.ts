import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crash } from './crash-harness.js'
import { Findings } from './findings.js'

describe('crash', () => {
  it('fifty kills of writers and workers lose, tear and double nothing', async function () {
    this.timeout(180_000)
    const folder = await mkdtemp(join(tmpdir(), 'insitu-crash-'))
    const lines: string[] = []
    try {
      const totals = await crash({ url: `nvram:${folder}`, kills: 50, seed: 50, onLife: (line) => lines.push(line) })
      const { kills, lost, torn, doubled } = totals
      assert.deepEqual({ kills, lost, torn, doubled }, { kills: 50, lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
      assert.ok(totals.acknowledged > 50, `only ${totals.acknowledged} steps were acknowledged: nothing was tested`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('finds what is lost, doubled, or never was', () => {
    const findings = new Findings()
    findings.steps([1, 2, 2, 9], [1, 2, 3], [4])
    assert.deepEqual({ ...findings.found([]).damage }, { lost: 1, doubled: 1, torn: 1 })
  })
})
