import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'chai'
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
  this.timeout(60_000)

  for (const [name, file] of Object.entries(COMMANDS)) {
    const run = (...args: string[]) => spawnSync(process.execPath, [join(root, file), ...args], { encoding: 'utf8', timeout: 30_000 })

    it(`npm run ${name} says how it is used, when asked and when it is used otherwise`, () => {
      const asked = run('--help')
      const wrong = run('--frob')
      expect([asked.status, wrong.status]).to.deep.equal([0, 2])
      for (const { stdout, stderr } of [asked, wrong]) {
        expect(stdout + stderr).to.include(`usage: npm run ${name} -- `)
        expect(stderr).to.not.match(/^\s+at /m)
      }
    })
  }
})
