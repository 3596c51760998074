import { expect } from 'chai'
import { FLAWS } from '../crash/protocol.js'
import { root } from '../tools/test-files.js'
import { node } from './processes.js'

const crash = (...args: string[]): ReturnType<typeof node> => node([`${root}dist/test/crash/run.js`, ...args])

describe('npm run crash', function () {
  this.timeout(300_000)

  it('with --json prints one line: how many kills, how much was acknowledged, and what was lost, torn or doubled', async () => {
    const { code, stdout, stderr } = await crash('--backend', 'nvram', '--kills', '3', '--seed', '3', '--json')
    expect([code, stderr]).to.deep.equal([0, ''])
    const { acknowledged, ...rest } = JSON.parse(stdout) as Record<string, number>
    expect(rest).to.deep.equal({ kills: 3, lost: 0, torn: 0, doubled: 0 })
    expect(acknowledged).to.be.above(0)
  })

  it('with a program that does something wrong ends with code 1, and says what was lost, torn or doubled', async () => {
    for (const [flaw, damage] of Object.entries(FLAWS)) {
      const { code, stdout } = await crash('--kills', '6', '--seed', '6', '--flaw', flaw, '--json')
      const found = JSON.parse(stdout) as Record<string, number>
      expect(code, `${flaw}: ${stdout}`).to.equal(1)
      expect(found[damage], `${flaw}: ${stdout}`).to.be.above(0)
    }
  })

  it('says how it is used, with exit code 2 when it was used in another way', async () => {
    for (const args of [
      ['--kills', '0'],
      ['--kills', 'many'],
      ['--seed', 'often'],
      ['--backend', 'paper'],
      ['--kind', 'paper'],
      ['--kind', 'groups', '--backend', 'redis+cluster'],
      ['--flaw', 'paper'],
      ['--flaw', 'splitsGroups', '--hosts', '3'],
      ['--frob'],
    ]) {
      const { code, stdout, stderr } = await crash(...args)
      expect([args, code, stdout]).to.deep.equal([args, 2, ''])
      expect(stderr).to.contain('usage: ')
    }
    expect((await crash('--help')).code).to.equal(0)
  })
})
