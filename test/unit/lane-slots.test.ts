/** Memory that workers share, in which they see how far the tasks of others are: the same of threads and of processes. */
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { FileSlots } from '../../runtime/engines/file-slots.js'
import { At, type LaneSlots, ThreadSlots } from '../../runtime/engines/lane-slots.js'
import type { Carried } from '../../runtime/engines/messages.js'

const COUNT = 4000
const VALUES: readonly Carried[] = [undefined, null, true, false, 0, -1.5, 'text ⅔', '', { k: 'v', b: new Uint8Array([1, 2, 3]) }]

for (const kind of ['threads', 'processes'] as const)
  describe(`slots that ${kind} share`, () => {
    let folder: string
    let file: number
    let driver: LaneSlots
    const another = (): LaneSlots =>
      typeof driver.shared === 'number' ? new FileSlots(file, driver.shared) : new ThreadSlots(driver.shared)

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-slots-'))
      file = openSync(join(folder, 'slots'), 'wx+')
    })
    after(async () => {
      closeSync(file)
      await rm(folder, { recursive: true })
    })
    beforeEach(() => {
      driver = kind === 'threads' ? ThreadSlots.of(COUNT) : FileSlots.of(COUNT, file)
    })

    it('a result of every kind that fits is found by another worker; of one that does not, that it is elsewhere', () => {
      const [one, other] = [another(), another()]
      for (const [slot, value] of VALUES.entries()) {
        const use = driver.give(slot)
        one.keep(slot, use)
        expect(other.at(slot, use)).to.equal(At.GIVEN)
        expect(one.claim(slot, use, At.BEGUN)).to.equal(true)
        expect(driver.claim(slot, use, At.VOID)).to.equal(false)
        one.publish(slot, use, value, slot % 2 === 1)
        for (const who of [one, other, driver]) {
          expect(who.at(slot, use)).to.equal(slot % 2 === 1 ? At.DONE_WITH_EFFECTS : At.DONE)
          expect(who.read(slot)).to.deep.equal(value)
        }
      }
      const use = driver.give(99)
      one.publish(99, use, 'x'.repeat(121), false)
      expect(other.at(99, use)).to.equal(At.ELSEWHERE)
    })

    it('a slot that is used again says nothing of its earlier task, and who holds that one is told that it is void', () => {
      const [one, other] = [another(), another()]
      const first = driver.give(7)
      one.publish(7, first, 'first', false)
      expect(other.at(7, first)).to.equal(At.DONE)
      const second = driver.give(7)
      expect(other.at(7, second)).to.equal(At.GIVEN)
      one.publish(7, second, 'second', false)
      expect(other.at(7, second)).to.equal(At.DONE)
      expect(other.read(7)).to.equal('second')
      expect(other.at(7, first)).to.equal(At.VOID)
    })

    it('a task that the driver has back is not begun, and its worker sees that', () => {
      const worker = another()
      const use = driver.give(3)
      worker.keep(3, use)
      expect(worker.isTaken(3, use)).to.equal(false)
      expect(driver.claim(3, use, At.VOID)).to.equal(true)
      driver.void(3, use)
      expect(worker.isTaken(3, use)).to.equal(true)
      expect(worker.claim(3, use, At.BEGUN)).to.equal(false)
      expect(another().at(3, use)).to.equal(At.VOID)
    })

    it('a task that ends after its slot was taken from it, and given to another, changes nothing of that', () => {
      const [late, next] = [another(), another()]
      for (const end of ['publish', 'void'] as const) {
        const first = driver.give(8)
        late.keep(8, first)
        expect(late.claim(8, first, At.BEGUN)).to.equal(true)
        driver.void(8, first) // out of time
        const endLate = (): void => (end === 'publish' ? late.publish(8, first, 'late', false) : late.void(8, first))
        endLate()
        const watcher = another()
        expect(watcher.at(8, first), 'nobody takes what it made').to.equal(At.VOID)
        const second = driver.give(8)
        next.keep(8, second)
        endLate()
        expect(next.claim(8, second, At.BEGUN)).to.equal(true)
        endLate()
        next.publish(8, second, 'next', false)
        endLate()
        expect(watcher.at(8, second)).to.equal(At.DONE)
        expect(watcher.read(8)).to.equal('next')
      }
    })

    it('who sleeps for a task sleeps no longer than it may', () => {
      const use = driver.give(5)
      const worker = another()
      expect(worker.sleep(5, use, 2)).to.equal(false)
      driver.publish(5, use, 1, false)
      expect(worker.sleep(5, use, 60_000)).to.equal(true)
    })

    it('of a worker that begins tasks and a driver that takes them back, one and no other has each', async function () {
      this.timeout(20_000)
      const start = new Int32Array(new SharedArrayBuffer(4))
      for (let slot = 0; slot < COUNT; slot++) driver.give(slot)
      const workerData = { shared: driver.shared, file, count: COUNT, start }
      const thread = new Worker(new URL('./lane-slots-thread.js', import.meta.url), { workerData })
      const told = once(thread, 'message') as Promise<[number[]]>
      while (Atomics.load(start, 0) !== 1) await new Promise(setImmediate)
      Atomics.store(start, 0, 2)
      const taken: number[] = []
      for (let slot = 0; slot < COUNT; slot++) {
        if (!driver.claim(slot, 1, At.VOID)) continue
        driver.void(slot, 1)
        taken.push(slot)
      }
      const [begun] = await told
      await thread.terminate()
      expect([...begun, ...taken].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: COUNT }, (_, slot) => slot))
    })
  })
