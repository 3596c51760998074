import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { AwakeTime } from '../../src/awake-time.js'

describe('the time in which a process has run', () => {
  it('is that of the clock, without the part in which it did not come to its timers', async () => {
    const began = performance.now()
    const time = new AwakeTime()
    await delay(100)
    for (const end = performance.now() + 1000; performance.now() < end; );
    await delay(100)
    const byTheClock = performance.now() - began
    expect(time.lostMs).to.be.within(700, byTheClock)
    expect(time.ms).to.be.within(100, byTheClock - 700)
    expect(time.ms + time.lostMs).to.be.at.least(byTheClock - 50)
    time.stop()
  })
})
