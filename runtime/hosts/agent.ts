/** An agent as the program sees it: a process that may be replaced by another while its host goes on. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Frames } from '../data/frames.js'
import type { Port } from '../data/port.js'
import { onChildEnd } from '../engines/child-end.js'
import { endWithProgram } from '../engines/worker-link.js'
import { childEnv } from '../runtime-config.js'
import type { FromAgent, ToAgent } from './host-messages.js'

export interface AgentEvents {
  onMessage(message: FromAgent): void
  onEnd(why: Error): void
}

export class Agent {
  readonly frames: Frames
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #control: Port
  #events: AgentEvents | undefined

  constructor() {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./agent-main.js', import.meta.url))], {
      env: childEnv(),
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    })
    this.#child = child
    endWithProgram(child)
    this.frames = new Frames(child.stdio[3] as Socket)
    this.frames.stream.on('error', () => {}) // it is gone; its exit says so
    this.#control = this.frames.port(0)
    this.#control.on('message', (message: FromAgent) => this.#events?.onMessage(message))
    this.ended = new Promise((resolve) => {
      const end = (why: Error): void => {
        resolve()
        this.#events?.onEnd(why)
      }
      onChildEnd(child, (how) => end(new Error(`the host's agent ended with ${how}`)))
      child.on('error', end)
    })
    this.hold(false)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  hear(events: AgentEvents): void {
    this.#events = events
  }

  post(message: ToAgent): void {
    this.#control.postMessage(message)
  }

  /** Whether it keeps the program alive. */
  hold(held: boolean): void {
    if (held) {
      this.#child.ref()
      this.#control.ref()
    } else {
      this.#child.unref()
      this.#control.unref()
      this.frames.stream.unref?.()
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    this.#events = undefined
    this.#child.ref() // whoever waits for its end is not to end before
    this.kill()
    await this.ended
  }
}
