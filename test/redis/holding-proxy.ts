/** A server as seen through a line that keeps a request back, is cut, and lets the request through much later. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { loadScripts } from '../../backends/redis/scripts.js'

interface Held {
  readonly server: Socket
  readonly request: Buffer
  readonly reply: Promise<string>
}

/** What is kept: the `nth` call of a script that applies groups in which `word` stands. */
export interface Wanted {
  readonly word: string
  readonly nth?: number
  /** Before the line is cut. */
  readonly meanwhile?: () => Promise<unknown>
  /** The call is let through at once: only its reply is lost. */
  readonly isAfter?: boolean
}

const GROUPS = ['save', 'commit', 'flip'] as const

export class HoldingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #held: Held[] = []
  readonly #shas = loadScripts()
  #isWanted: ((request: Buffer) => boolean) | undefined
  #isAfter = false
  #meanwhile: () => Promise<unknown> = async () => {}

  private constructor(readonly serverPort: number) {
    this.#server = createServer((client) => this.#join(client))
  }

  static async before(serverPort: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(serverPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Keeps one call, and cuts the line that it came by. */
  hold({ word, nth = 1, meanwhile = async () => {}, isAfter = false }: Wanted): void {
    const shas = GROUPS.map((name) => this.#shas[name].sha)
    let left = nth
    this.#isWanted = (request) => request.includes(word) && shas.some((sha) => request.includes(sha)) && --left === 0
    this.#meanwhile = meanwhile
    this.#isAfter = isAfter
  }

  /** Lets what was held through; resolves with what the server says. */
  async release(): Promise<readonly string[]> {
    const held = this.#held.splice(0)
    for (const { server, request } of held) server.write(request)
    return Promise.all(held.map(({ reply }) => reply))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    const server = connect(this.serverPort, '127.0.0.1')
    let isCut = false
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    }
    client.on('close', () => !isCut && server.destroy())
    server.on('close', () => client.destroy())
    onRequests(client, (request) => {
      if (isCut) return
      if (!this.#isWanted?.(request)) return void server.write(request)
      this.#isWanted = undefined
      isCut = true
      this.#keep(server, request)
      const cut = (): void => void client.destroy()
      this.#meanwhile().then(cut, cut)
    })
    server.on('data', (bytes) => void (isCut || client.write(bytes)))
  }

  #keep(server: Socket, request: Buffer): void {
    const reply = once(server, 'data').then(([bytes]) => String(bytes))
    reply.catch(() => {})
    if (this.#isAfter) server.write(request)
    else this.#held.push({ server, request, reply })
  }
}

/** Requests one by one: `*2`, then `$length` and bytes of each part. */
function onRequests(socket: Socket, take: (request: Buffer) => void): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data])
    for (let end = endOf(rest); end > 0; end = endOf(rest)) {
      take(Buffer.from(rest.subarray(0, end)))
      rest = rest.subarray(end)
    }
  })
}

/** Where the first request ends; 0 while it is not all there. */
function endOf(bytes: Buffer): number {
  let at = bytes.indexOf('\r\n') + 2
  if (at < 2) return 0
  for (let parts = Number(bytes.toString('latin1', 1, at - 2)); parts > 0; parts--) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return 0
    at = line + 2 + Number(bytes.toString('latin1', at + 1, line)) + 2
  }
  return at <= bytes.length ? at : 0
}
