import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
import { graphFolder } from '../graphs/graph-files.js'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'

const COMMANDS: Record<string, string> = {
  simulate: 'dist/test/simulation/run.js',
  'simulate-graphs': 'dist/test/graphs/run.js',
  fuzz: 'dist/test/fuzz/run.js',
  crash: 'dist/test/crash/run.js',
  bench: 'dist/bench/run.js',
  conformance: 'dist/test/conformance/run.js',
}

describe('commands for developers', function () {
  this.timeout(120_000)
  const run = (name: keyof typeof COMMANDS, ...args: string[]) =>
    spawnSync(process.execPath, [join(root, COMMANDS[name]!), ...args], { encoding: 'utf8', timeout: 100_000 })
  /** What a command prints with --json, line by line. */
  const linesOf = (name: keyof typeof COMMANDS, ...args: string[]): Record<string, unknown>[] => {
    const { status, stdout, stderr } = run(name, ...args, '--json')
    expect(status, stderr).to.equal(0)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  it('npm run simulate ends with a line that says how many runs there were, what they broke, and whether canaries were caught', () => {
    const lines = linesOf('simulate', '--seeds', '3', '--seed', '7')
    expect(lines).to.have.lengthOf(1)
    expect(lines[0]).to.include({ seeds: 3, violations: 0, canary: 'caught' })
  })

  it('npm run simulate-graphs prints a line for each graph and cluster, and then their mean', function () {
    if (graphFolder() === undefined) return notRun(this, 'the graphs are not here')
    const [last, ...lines] = linesOf('simulate-graphs', '--only', 'plain1n').reverse()
    expect(lines.map(({ cluster, network }) => `${cluster} ${network}`).sort()).to.deep.equal([
      '32x4 maxmin',
      '32x4 simple',
      '8x4 maxmin',
      '8x4 simple',
    ])
    const ratios = lines.map(({ makespan, best }) => Number(makespan) / Number(best))
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
    expect(last).to.include({ rows: 4 })
    expect(last!['mean']).to.be.closeTo(mean, 1e-4)
    expect(last!['worst']).to.be.closeTo(Math.max(...ratios), 1e-4)
  })

  for (const name of Object.keys(COMMANDS)) {
    it(`npm run ${name} says how it is used, when asked and when it is used otherwise`, () => {
      const asked = run(name, '--help')
      const wrong = run(name, '--frob')
      expect([asked.status, wrong.status]).to.deep.equal([0, 2])
      for (const { stdout, stderr } of [asked, wrong]) {
        expect(stdout + stderr).to.include(`usage: npm run ${name} -- `)
        expect(stderr).to.not.match(/^\s+at /m)
      }
    })
  }
})
