import { expect } from 'chai'
import { FLAWS } from './flaws.js'
import { fuzz } from './supervise.js'
import { TARGETS } from './targets.js'

/** A minute, or as INSITU_FUZZ_SECONDS says. */
const SECONDS = Number(process.env.INSITU_FUZZ_SECONDS ?? 60)

describe('fuzz', () => {
  it('bytes of every kind, flipped, cut, grown and mixed, are refused with a typed error or read as what they are', async function () {
    this.timeout(SECONDS * 1000 + 60_000)
    const { rounds, cases, refused, failures } = await fuzz({ seed: 20_240, seconds: SECONDS })
    expect(failures.slice(0, 5)).to.deep.equal([])
    if (SECONDS >= 30) expect(rounds, 'every kind was met').to.be.at.least(Object.keys(TARGETS).length)
    expect(cases).to.be.greaterThan(SECONDS * 100)
    expect(refused).to.be.greaterThan(cases / 2)
  })

  for (const flaw of Object.keys(FLAWS))
    it(`a reader that ${flaw} is found`, async function () {
      this.timeout(60_000)
      const { failures } = await fuzz({ seed: 1, seconds: 0.2, round: 0, flaw, hangMs: 2000 })
      expect(failures).to.not.be.empty
      expect(failures[0]!.target).to.equal(flaw)
      // What it was at is said: flips of eight bytes, eight lengths, then chance.
      if (flaw === 'never ends') expect(failures[0]!.how).to.equal('case 14')
    })

  it('the same seed and round is the same', async () => {
    const [one, again, other] = await Promise.all([7, 7, 8].map((seed) => fuzz({ seed, seconds: 0.2, round: 3 })))
    expect(one).to.deep.equal(again)
    expect(one).to.not.deep.equal(other)
  }).timeout(60_000)
})
