import type { MessagePort } from 'node:worker_threads'
import type { Backend } from '../../src/backend.js'
import type { FromWorker, ToWorker } from '../engines/messages.js'
import type { StoreMessage } from '../engines/worker.js'
import { type Opened, WorkerLink } from '../engines/worker-link.js'
import type { Isolation } from '../runtime-config.js'
import type { Agent } from './agent.js'

/** How long an agent may take to end a worker. One that does not is frozen itself, by what the worker did. */
const KILL_MS = 300

let nextPort = 1

/** A worker on a host: the way to it leads through the host's agent. */
export class SlotLink extends WorkerLink {
  readonly #ended: Promise<void>
  #end!: () => void
  #isGone = false

  constructor(
    readonly agent: Agent,
    readonly number: number,
    isolation: Isolation,
    /** Where the agent reaches a store by itself. */
    readonly placeOf: (backend: Backend) => StoreMessage['hosts'],
  ) {
    super()
    this.#ended = new Promise((resolve) => (this.#end = resolve))
    agent.post({ do: 'start', slot: number, isolation })
  }

  take(message: FromWorker): void {
    this.heard(message)
  }

  gone(why: Error): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#end()
    this.events?.onEnd(why)
  }

  post(message: ToWorker | StoreMessage, _moved?: readonly MessagePort[]): void {
    this.agent.post({ do: 'to', slot: this.number, message })
  }

  override reaches(backend: Backend): StoreMessage['hosts'] {
    return this.placeOf(backend)
  }

  open(): Opened {
    const number = nextPort++
    return { near: this.agent.frames.port(number), far: number, moved: [] }
  }

  async kill(): Promise<void> {
    this.agent.post({ do: 'kill', slot: this.number })
    // Again and again: whoever waits for the end of a worker is not to end before.
    const timer = setInterval(() => this.agent.kill(), KILL_MS)
    await this.#ended
    clearInterval(timer)
  }

  /** The agent keeps the program alive, not each of its workers. */
  ref(): void {}
  unref(): void {}
}
