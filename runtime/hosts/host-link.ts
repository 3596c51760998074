/** A way to an agent that outlives the agent: when another takes its place, what waits for an answer is asked again. */
import { createConnection, type Socket } from 'node:net'
import { UnavailableError } from '../../src/errors.js'
import { type FramePort, Frames } from '../data/frames.js'
import type { Port } from '../data/port.js'
import { hostProxy } from '../runtime-config.js'

const RETRY_MS = 10
/** Longer than an agent takes to be replaced on a busy machine. */
const PATIENCE_MS = 20_000

export class HostLink {
  readonly #ports = new Map<number, LinkPort>()
  #frames: Frames | undefined
  /** Also while it is being connected: what is asked then waits for it. */
  #socket: Socket | undefined
  #triedSinceMs: number | undefined
  #holds = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    readonly host: string,
    readonly path: string,
  ) {
    this.#connect()
  }

  port(number: number): Port {
    let port = this.#ports.get(number)
    if (!port) {
      this.#ports.set(number, (port = new LinkPort(this, number)))
      if (this.#frames) port.bind(this.#frames.port(number))
    }
    return port
  }

  forget(number: number): void {
    this.#ports.delete(number)
  }

  hold(by: 1 | -1): void {
    this.#holds += by
    if (this.#holds > 0) {
      this.#socket?.ref()
      this.#timer?.ref()
    } else {
      this.#socket?.unref()
      this.#timer?.unref()
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.destroy()
  }

  #connect(): void {
    this.#triedSinceMs ??= performance.now()
    const proxy = hostProxy()
    const socket = proxy ? createConnection(proxy) : createConnection(this.path)
    this.#socket = socket
    if (proxy) socket.write(`${this.path}\n`)
    if (this.#holds === 0) socket.unref()
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => this.#broken())
    socket.on('connect', () => this.#connected(socket))
  }

  #connected(socket: Socket): void {
    this.#triedSinceMs = undefined
    this.#frames = new Frames(socket)
    for (const [number, port] of this.#ports) port.bind(this.#frames.port(number))
  }

  #broken(): void {
    this.#frames = this.#socket = undefined
    if (this.#closed) return
    this.#triedSinceMs ??= performance.now()
    if (performance.now() - this.#triedSinceMs > PATIENCE_MS) {
      const why = new UnavailableError(`${this.host} has ended and nobody took its place`, { code: 'ERR_HOST_LOST', host: this.host })
      for (const port of this.#ports.values()) port.lost(why)
      this.#triedSinceMs = undefined
    }
    this.#timer = setTimeout(() => this.#connect(), RETRY_MS)
    if (this.#holds === 0) this.#timer.unref()
  }
}

class LinkPort implements Port {
  readonly #link: HostLink
  readonly #number: number
  #far: FramePort | undefined
  #held = false
  #hear: ((message: any) => void)[] = []
  #renewed: (() => void)[] = []
  #lost: ((why: Error) => void)[] = []

  constructor(link: HostLink, number: number) {
    this.#link = link
    this.#number = number
  }

  bind(far: FramePort): void {
    this.#far = far
    far.on('message', (message) => {
      for (const hear of this.#hear) hear(message)
    })
    for (const hear of this.#renewed) hear()
  }

  lost(why: Error): void {
    for (const hear of this.#lost) hear(why)
  }

  /** What cannot be sent now is sent when there is a connection: whoever waits for an answer does it. */
  postMessage(message: unknown): void {
    this.#far?.postMessage(message)
  }

  on(_: 'message', hear: (message: any) => void): void {
    this.#hear.push(hear)
  }

  onRenewed(hear: () => void): void {
    this.#renewed.push(hear)
  }

  onLost(hear: (why: Error) => void): void {
    this.#lost.push(hear)
  }

  removeAllListeners(): void {
    this.#hear = []
  }

  ref(): void {
    if (this.#held) return
    this.#held = true
    this.#link.hold(1)
  }

  unref(): void {
    if (!this.#held) return
    this.#held = false
    this.#link.hold(-1)
  }

  close(): void {
    this.unref()
    this.#hear = []
    this.#far?.close()
    this.#link.forget(this.#number)
  }
}
