import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crash } from './crash-harness.js'
import { Findings } from './findings.js'
import { type Damage, FLAWS, type Flaw } from './protocol.js'

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-crash-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe('crash', () => {
  it('a hundred kills of writers and workers lose, tear and double nothing', async function () {
    this.timeout(600_000)
    const lines: string[] = []
    await inTemporaryFolder(async (folder) => {
      const totals = await crash({
        url: `nvram:${folder}`,
        kills: 100,
        seed: 50,
        kinds: ['groups', 'objects', 'tasks'],
        onLife: (line) => lines.push(line),
      })
      const { kills, lost, torn, doubled } = totals
      assert.deepEqual({ kills, lost, torn, doubled }, { kills: 100, lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
      assert.ok(totals.acknowledged > 100, `only ${totals.acknowledged} steps were acknowledged: nothing was tested`)
      for (const [how, seldom] of [
        [/ killed at /, 5],
        [/ ms after \w+, \d/, 20],
      ] as const)
        assert.ok(lines.filter((line) => how.test(line)).length > seldom, `${how} was seldom seen:\n${lines.join('\n')}`)
    })
  })

  it('kills before and after tasks commit together lose, tear and double nothing', async function () {
    this.timeout(600_000)
    const lines: string[] = []
    await inTemporaryFolder(async (folder) => {
      const plan = { url: `nvram:${folder}`, kinds: ['tasks'], points: ['together-sent', 'together-done'] } as const
      const { lost, torn, doubled } = await crash({ ...plan, kills: 16, seed: 16, onLife: (line) => lines.push(line) })
      assert.deepEqual({ lost, torn, doubled }, { lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
      for (const point of plan.points)
        assert.ok(lines.filter((line) => line.includes(`killed at ${point}`)).length > 2, `${point} was seldom hit:\n${lines.join('\n')}`)
    })
  })

  it('kills of tellers that move money between two stores make and lose none', async function () {
    this.timeout(600_000)
    const lines: string[] = []
    await inTemporaryFolder(async (folder) => {
      const totals = await crash({ url: `nvram:${folder}`, kills: 100, seed: 100, kinds: ['bank'], onLife: (line) => lines.push(line) })
      const { kills, lost, torn, doubled } = totals
      assert.deepEqual({ kills, lost, torn, doubled }, { kills: 100, lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
      assert.ok(totals.acknowledged > 100, `only ${totals.acknowledged} transfers were acknowledged: nothing was tested`)
    })
  })

  it('kills of agents, workers and the program on three logical hosts lose, tear and double nothing', async function () {
    this.timeout(600_000)
    const lines: string[] = []
    await inTemporaryFolder(async (folder) => {
      const totals = await crash({ url: `nvram:${folder}`, kills: 24, seed: 24, hosts: 3, pace: 4, onLife: (line) => lines.push(line) })
      const { lost, torn, doubled } = totals
      assert.deepEqual({ lost, torn, doubled }, { lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
      assert.ok(totals.kills >= 24 && totals.acknowledged > 40, `${totals.kills} kills, ${totals.acknowledged} steps: nothing was tested`)
    })
  })

  for (const [flaw, damage] of Object.entries(FLAWS) as [Flaw, keyof Damage][]) {
    it(`a program that ${flaw.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`)} is caught: something is ${damage}`, async function () {
      this.timeout(300_000)
      await inTemporaryFolder(async (folder) => {
        const totals = await crash({ url: `nvram:${folder}`, kills: 6, seed: 6, kinds: ['groups'], flaw })
        assert.ok(totals[damage] > 0, JSON.stringify(totals))
      })
    })
  }

  it('takes no program that ends by itself for a killed one, and looks at what the last one left', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'file'), '')
      for (const kills of [0, 1]) {
        const lines: string[] = []
        const plan = { url: `nvram:${join(folder, 'file')}`, kinds: ['groups'], points: ['alone-sent'] } as const
        await assert.rejects(crash({ ...plan, kills, seed: 1, onLife: (line) => lines.push(line) }), /a groups program ended by itself/)
        assert.deepEqual(lines, [])
      }
    })
  })

  it('finds what is lost, doubled, or never was', () => {
    const findings = new Findings()
    findings.steps([1, 2, 2, 9], [1, 2, 3], [4])
    assert.deepEqual({ ...findings.found([]).damage }, { lost: 1, doubled: 1, torn: 1 })
  })
})
