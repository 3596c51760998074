/**
 * A link of so many bytes a second between logical hosts, on loopback. Whoever wants to reach a host connects here and says its socket's path
 * in a line; all that then comes back shares one direction of the link, all that goes there the other.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** Bytes that may be ahead of their time: timers come a millisecond late, which must not slow the link down. */
const BURST_MS = 4

/** One direction. */
class Pipe {
  #freeAtMs = 0
  bytes = 0

  constructor(readonly bytesPerMs: number) {}

  /** How long the sender must stand still after so many bytes. */
  take(bytes: number): number {
    const now = performance.now()
    this.bytes += bytes
    this.#freeAtMs = Math.max(now - BURST_MS, this.#freeAtMs) + bytes / this.bytesPerMs
    return Math.max(0, this.#freeAtMs - now)
  }
}

export class LinkProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #there: Pipe
  readonly #back: Pipe

  private constructor(bytesPerSecond: number) {
    this.#there = new Pipe(bytesPerSecond / 1000)
    this.#back = new Pipe(bytesPerSecond / 1000)
    this.#server = createServer((socket) => this.#welcome(socket))
  }

  static async start(bytesPerSecond: number): Promise<LinkProxy> {
    const proxy = new LinkProxy(bytesPerSecond)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  /** What INSITU_HOST_PROXY takes. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  get bytesBack(): number {
    return this.#back.bytes
  }

  #welcome(socket: Socket): void {
    this.#keep(socket)
    socket.once('data', (first: Buffer) => {
      socket.pause()
      const end = first.indexOf(10)
      const host = createConnection(first.subarray(0, end).toString('utf8'))
      this.#keep(host)
      host.on('connect', () => {
        if (end + 1 < first.length) host.write(first.subarray(end + 1))
        pump(socket, host, this.#there)
        pump(host, socket, this.#back)
      })
      host.on('close', () => socket.destroy())
      socket.on('close', () => host.destroy())
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}) // its close is told to the other side
    socket.on('close', () => this.#sockets.delete(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function pump(from: Socket, to: Socket, pipe: Pipe): void {
  from.on('data', (chunk: Buffer) => {
    const wait = pipe.take(chunk.length)
    const isFull = !to.write(chunk)
    if (wait < 1 && !isFull) return
    from.pause()
    const drained = isFull ? new Promise((resolve) => to.once('drain', resolve)) : undefined
    setTimeout(() => void Promise.resolve(drained).then(() => from.resume()), wait)
  })
  from.resume()
}
