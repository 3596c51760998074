/** Which of two writers of a row was the last: by the clock of their machine, however long they have run. */
import { expect } from 'chai'
import { RowClock } from '../../src/row-clock.js'

const HOUR_MS = 3_600_000
const START_MS = 1_700_000_000_000

describe('the clock of rows', () => {
  let wallMs: number
  let awakeMs: number
  /** At which reading of the fine clock from now the program is held up. */
  let held: number
  let clock: RowClock
  beforeEach(() => {
    wallMs = START_MS
    awakeMs = 5
    held = 0
    clock = new RowClock(
      START_MS - awakeMs,
      () => Math.floor(wallMs),
      () => {
        if (held-- === 1) pass(40)
        return awakeMs
      },
    )
  })

  function pass(ms: number): void {
    wallMs += ms
    awakeMs += ms
  }
  const apartMs = (): number => Number(clock.micros()) / 1000 - wallMs

  it('tells apart what happens within a millisecond, and says nothing twice', () => {
    const times = Array.from({ length: 100 }, (_, i) => {
      if (i % 2 === 0) pass(0.25)
      return clock.micros()
    })
    times.forEach((time, i) => {
      if (i > 0) expect(time > times[i - 1]!, String(i)).to.equal(true)
    })
    expect(Math.abs(apartMs())).to.be.below(3)
  })

  it('is as fine after a program was held up while it looked', () => {
    for (const at of [1, 2]) {
      held = at
      clock.micros()
      pass(0.3)
      expect(Math.abs(apartMs())).to.be.below(0.01)
    }
  })

  it('is that of the machine after it has slept, or its time was set', () => {
    clock.micros()
    wallMs += 8 * HOUR_MS // asleep
    expect(Math.abs(apartMs())).to.be.below(3)
    pass(1)
    expect(Math.abs(apartMs())).to.be.below(3)
  })

  it('does not go back where the time is set back, and is right again once that has passed', () => {
    const before = clock.micros()
    wallMs -= HOUR_MS
    expect(clock.micros() > before).to.equal(true)
    pass(2 * HOUR_MS)
    expect(Math.abs(apartMs())).to.be.below(3)
  })
})
