/** Several ports over one stream between processes: frames of length, port and content. */
import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'
import { InsituError } from '../../src/errors.js'
import type { Port } from './port.js'

/** Bytes before a frame's content: its length, and the port it is for. */
const HEAD_BYTES = 8
/** What claims to be larger is no frame of ours: no memory is taken for it. */
const FRAME_BYTES_MAX = 2 ** 30

/** A copy of so much costs less than a second write. */
const JOINED_BYTES_MAX = 64 * 1024

/** A stream that may keep the process alive. */
type Stream = Duplex & { ref?: () => unknown; unref?: () => unknown }

export class Frames {
  readonly #ports = new Map<number, FramePort>()
  readonly #closed = new Set<number>()
  readonly #reader = new FrameReader((port, content) => {
    if (!this.#closed.has(port)) this.port(port).hear(content)
  })
  #refs = 0

  /** `onBroken` is told when what comes is no frame; the stream is destroyed then. */
  constructor(
    readonly stream: Stream,
    readonly onBroken: (why: Error) => void = () => {},
  ) {
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  /** The port of a number: the other side has its other end under the same one. */
  port(number: number): FramePort {
    let port = this.#ports.get(number)
    if (!port) this.#ports.set(number, (port = new FramePort(this, number)))
    return port
  }

  forget(number: number): void {
    this.#ports.delete(number)
    this.#closed.add(number)
  }

  send(port: number, message: unknown): void {
    if (this.stream.destroyed || this.stream.writableEnded) return
    const content = serialize(message)
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    head.writeUInt32LE(content.length, 0)
    head.writeUInt32LE(port, 4)
    // Written at once, not at the end of this round of events: what runs next may be a body that computes for minutes.
    if (content.length <= JOINED_BYTES_MAX) this.stream.write(Buffer.concat([head, content]))
    else {
      this.stream.write(head)
      this.stream.write(content)
    }
  }

  /** Counts the ports that keep the process alive. */
  hold(by: 1 | -1): void {
    this.#refs += by
    if (this.#refs > 0) this.stream.ref?.()
    else this.stream.unref?.()
  }

  #take(chunk: Buffer): void {
    try {
      this.#reader.take(chunk)
    } catch (error) {
      this.onBroken(error as Error)
      this.stream.destroy()
    }
  }
}

export class FramePort implements Port {
  readonly #frames: Frames
  readonly #number: number
  #hear: ((message: any) => void)[] = []
  #held = false
  /** What came before anybody listened. */
  #early: Buffer[] = []

  constructor(frames: Frames, number: number) {
    this.#frames = frames
    this.#number = number
  }

  postMessage(message: unknown): void {
    this.#frames.send(this.#number, message)
  }

  on(_: 'message', hear: (message: any) => void): void {
    this.#hear.push(hear)
    const early = this.#early
    this.#early = []
    for (const content of early) this.hear(content)
  }

  removeAllListeners(): void {
    this.#hear = []
  }

  hear(content: Buffer): void {
    if (this.#hear.length === 0) {
      this.#early.push(content)
      return
    }
    const message: unknown = deserialize(content)
    for (const hear of this.#hear) hear(message)
  }

  ref(): void {
    if (this.#held) return
    this.#held = true
    this.#frames.hold(1)
  }

  unref(): void {
    if (!this.#held) return
    this.#held = false
    this.#frames.hold(-1)
  }

  close(): void {
    this.unref()
    this.#hear = []
    this.#frames.forget(this.#number)
  }
}

/** Cuts a stream of bytes into frames, whatever pieces it comes in. */
class FrameReader {
  #chunks: Buffer[] = []
  #bytes = 0
  #needed = HEAD_BYTES

  constructor(readonly onFrame: (port: number, content: Buffer) => void) {}

  take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    let all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes)
    for (;;) {
      const length = all.length >= HEAD_BYTES ? lengthIn(all) : 0
      this.#needed = HEAD_BYTES + length
      if (all.length < this.#needed) break
      const content = all.subarray(HEAD_BYTES, this.#needed)
      const port = all.readUInt32LE(4)
      all = all.subarray(this.#needed)
      this.onFrame(port, content)
    }
    this.#chunks = all.length > 0 ? [all] : []
    this.#bytes = all.length
  }
}

function lengthIn(bytes: Buffer): number {
  const length = bytes.readUInt32LE(0)
  if (length > FRAME_BYTES_MAX)
    throw new InsituError(`a frame of ${length} bytes came from another process: what it says is not understood`, { code: 'ERR_INTERNAL' })
  return length
}
