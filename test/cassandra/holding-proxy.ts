/** A node as seen through a line that keeps a write, says that it timed out, and lets it through much later. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

const HEADER_BYTES = 9
const OPCODE_AT = 4
const ERROR = 0x00
const EXECUTE = 0x0a
const BATCH = 0x0d
/** Batches with conditions are logged ones; the backend writes others without a log. */
const LOGGED = 0
/** One that a client does not come to. */
const LATE_STREAM = 32_000

interface Held {
  readonly server: Socket
  readonly frame: Buffer
}

export class HoldingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #held: Held[] = []
  #meanwhile: (() => Promise<unknown>) | undefined
  #isWanted: (frame: Buffer) => boolean = () => false
  #onLate: () => void = () => {}

  private constructor(
    readonly nodeHost: string,
    readonly nodePort: number,
  ) {
    this.#server = createServer((client) => this.#join(client))
  }

  static async before(host: string, port: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(host, port)
    proxy.#server.listen(0, host)
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Keeps the next batch with conditions; its sender is told of a time-out once `meanwhile` is done. */
  holdNext(meanwhile: () => Promise<unknown> = async () => {}): void {
    this.#isWanted = (frame) => frame[OPCODE_AT] === BATCH && frame[HEADER_BYTES] === LOGGED
    this.#meanwhile = meanwhile
  }

  /** The same of the next batch without. */
  holdNextPlain(meanwhile: () => Promise<unknown> = async () => {}): void {
    this.#isWanted = (frame) => frame[OPCODE_AT] === BATCH && frame[HEADER_BYTES] !== LOGGED
    this.#meanwhile = meanwhile
  }

  /** The same of the next statement, reads included. */
  holdNextStatement(): void {
    this.#isWanted = (frame) => frame[OPCODE_AT] === EXECUTE
    this.#meanwhile = async () => {}
  }

  /** Lets what was held through; resolves with how many when the node has answered. */
  async release(): Promise<number> {
    const held = this.#held.splice(0)
    for (const { server, frame } of held) {
      frame.writeUInt16BE(LATE_STREAM, 2)
      await new Promise<void>((resolve) => {
        this.#onLate = resolve
        server.write(frame)
      })
    }
    return held.length
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    const server = connect(this.nodePort, this.nodeHost)
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    onFrames(client, (frame) => {
      if (!this.#hold(client, server, frame)) server.write(frame)
    })
    onFrames(server, (frame) => {
      if (frame.readUInt16BE(2) === LATE_STREAM) this.#onLate()
      else client.write(frame)
    })
  }

  #hold(client: Socket, server: Socket, frame: Buffer): boolean {
    const meanwhile = this.#meanwhile
    if (!meanwhile || !this.#isWanted(frame)) return false
    this.#meanwhile = undefined
    this.#held.push({ server, frame: Buffer.from(frame) })
    const tell = (): void => void client.write(timedOut(frame))
    meanwhile().then(tell, tell)
    return true
  }
}

function onFrames(socket: Socket, take: (frame: Buffer) => void): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data])
    for (;;) {
      const length = rest.length < HEADER_BYTES ? Number.POSITIVE_INFINITY : HEADER_BYTES + rest.readUInt32BE(5)
      if (rest.length < length) return
      take(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  })
}

/** What a node says of a compare-and-set that too few answered: code, message, consistency, received, wanted, kind. */
function timedOut(request: Buffer): Buffer {
  const text = (of: string): Buffer => Buffer.concat([short(of.length), Buffer.from(of)])
  const body = Buffer.concat([int(0x1100), text('held by the test'), short(8), int(0), int(1), text('CAS')])
  const header = Buffer.from(request.subarray(0, HEADER_BYTES))
  header[0] = header[0]! | 0x80
  header[1] = 0
  header[OPCODE_AT] = ERROR
  header.writeUInt32BE(body.length, 5)
  return Buffer.concat([header, body])
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
