import type { Command } from '../scheduler/commands.js'
import type { RuntimeEvent } from '../scheduler/events.js'
import { createState, type RuntimeState, type SchedulerOptions } from '../scheduler/state.js'
import { step } from '../scheduler/step.js'
import type { Submissions } from './submissions.js'

/** Does what `step` commands. */
export type Perform = (command: Exclude<Command, { do: 'WakeAt' }>) => void

/** Feeds what happened to `step` and has its commands done. The scheduler's state is changed here and nowhere else. */
export class Loop {
  readonly state: RuntimeState
  #events: RuntimeEvent[] = []
  #due = false
  #running = false
  #stopped = false
  #wake: NodeJS.Timeout | undefined

  constructor(
    readonly submissions: Submissions,
    readonly perform: Perform,
    options: SchedulerOptions = {},
  ) {
    this.state = createState(options)
  }

  /** Something happened; `step` hears of it in the next turn. Calls made before it stay before it. */
  note(event: RuntimeEvent): void {
    this.#takeSubmissions()
    this.#events.push(event)
    this.soon()
  }

  /** A turn after the running code: at once when nothing else goes on, else together with what the same round of events brings. */
  soon(isIdle = false): void {
    if (this.#due || this.#running) return
    this.#due = true
    if (isIdle) queueMicrotask(() => this.turn())
    else setImmediate(() => this.turn())
  }

  /** Until nothing is left to tell; performing a command may bring news of its own. */
  turn(): void {
    this.#due = false
    if (this.#running || this.#stopped) return
    this.#running = true
    try {
      do this.#step()
      while (this.#events.length > 0)
    } finally {
      this.#running = false
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#wake)
  }

  #step(): void {
    this.#takeSubmissions()
    const events = this.#events
    this.#events = []
    for (const command of step(this.state, events, performance.now())) {
      if (command.do === 'WakeAt') this.#wakeAt(command.at)
      else this.perform(command)
    }
  }

  #takeSubmissions(): void {
    if (!this.submissions.isEmpty) this.#events.push(...this.submissions.take())
  }

  #wakeAt(at: number): void {
    clearTimeout(this.#wake)
    this.#wake = setTimeout(
      () => {
        this.note({ on: 'TimePassed' })
        this.turn()
      },
      Math.max(0, at - performance.now()),
    )
    this.#wake.unref()
  }
}
