/** How the tasks of one lane follow those of others: what each waits for is looked up in memory that the lanes share. */
import type { Outcome } from '../attempt.js'
import { At, type LaneSlots } from './lane-slots.js'
import type { Queued } from './queued.js'
import type { ReportBox } from './report-box.js'

/** A lane looks for some 300 microseconds before it sleeps (LaneSlots.looks); where that was in vain a quarter, which is what it costs to sleep and be woken. */
const LOOKS_SHARE_MIN = 4
/** Then it sleeps, but keeps nobody else that waits in this thread for longer than this. */
const SLEEP_MS = 1
const NO_WAITS: number[] = []

/** What a look at a task says. */
export const May = { GO: 0, WAIT: 1, GONE: 2 } as const
export type May = (typeof May)[keyof typeof May]

export class Following {
  #slots!: LaneSlots
  #looks = 0

  constructor(readonly box: ReportBox) {}

  share(slots: LaneSlots): void {
    this.#slots = slots
    this.#looks = slots.looks
  }

  /** A task has come that leads or follows others. */
  keep({ slot, use }: Queued): void {
    this.#slots.keep(slot, use)
  }

  isTaken({ slot, use }: Queued): boolean {
    return this.#slots.isTaken(slot, use)
  }

  /** Makes a task this lane's, if all that it waits for is there. */
  claim(queued: Queued): May {
    const slots = this.#slots
    const { slot, use, waits = NO_WAITS } = queued
    let isElsewhere = false
    for (let i = 0; i < waits.length; i += 3) {
      const at = slots.at(waits[i + 1]!, waits[i + 2]!)
      if (at < At.DONE || at === At.VOID) return May.WAIT
      if (at === At.ELSEWHERE) isElsewhere = true
    }
    if (!slots.claim(slot, use, At.BEGUN)) return May.GONE
    if (isElsewhere) {
      // A value that is too large for a slot comes by the program.
      this.box.returned(queued.task, queued.number)
      return May.GONE
    }
    for (let i = 0; i < waits.length; i += 3) queued.args[waits[i]!] = slots.read(waits[i + 1]!)
    return May.GO
  }

  /**
   * Looks without a pause for what keeps a task, since to fall asleep and be woken takes longer than many tasks do, and each lane that sleeps lets
   * the others fall asleep. Whether that has ended.
   */
  look(head: Queued): boolean {
    const obstacle = this.#obstacle(head)
    if (!obstacle) return true
    const [slot, use] = obstacle
    if (slot === head.slot) return false
    for (let looks = this.#looks; looks > 0; looks--) {
      if (this.#slots.at(slot, use) < At.DONE) continue
      this.#looks = Math.min(this.#slots.looks, this.#looks * 2)
      return true
    }
    this.#looks = Math.max(this.#slots.looks / LOOKS_SHARE_MIN, this.#looks >> 1)
    return false
  }

  /** Whether what keeps a task has ended meanwhile. */
  sleep(head: Queued): boolean {
    const obstacle = this.#obstacle(head)
    return !obstacle || this.#slots.sleep(obstacle[0], obstacle[1], SLEEP_MS)
  }

  /** What keeps a task: another one, or the driver, who is about to take it back; or nothing any more, since others end while this lane looks. */
  #obstacle({ slot, use, waits = NO_WAITS }: Queued): readonly [slot: number, use: number] | undefined {
    let isLeft = false
    for (let i = 0; i < waits.length; i += 3) {
      const at = this.#slots.at(waits[i + 1]!, waits[i + 2]!)
      if (at < At.DONE) return [waits[i + 1]!, waits[i + 2]!]
      if (at === At.VOID) isLeft = true
    }
    return isLeft ? [slot, use] : undefined
  }

  publish({ slot, use }: Queued, { result, changed, written, children }: Outcome): void {
    this.#slots.publish(slot, use, result, (changed ?? written ?? children) !== undefined)
  }
}
