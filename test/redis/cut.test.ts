import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Op } from '../../src/backend.js'
import { put, send, standing, tableOn, thing } from '../conformance/contract-kit.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { openAt } from './kit.js'

/** Passes bytes on, and cuts each connection once it has passed some thousand: in the middle of a call, or of a reply. */
class CuttingProxy {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  cuts = 0
  isCutting = true

  constructor(readonly port: number) {
    this.#server = createServer((client) => this.#join(client))
  }

  async start(): Promise<{ readonly url: string }> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return { url: `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}` }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    const server = connect(this.port, '127.0.0.1')
    let left = this.isCutting ? 2_000 + Math.random() * 60_000 : Number.POSITIVE_INFINITY
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.on('data', (bytes: Buffer) => {
        to.write(bytes.subarray(0, left))
        left -= bytes.length
        if (left > 0) return
        this.cuts++
        // What was written so far arrives: the other side has a part of a call or of a reply.
        to.end(() => from.destroy())
      })
    }
  }
}

describe('redis: a connection through a proxy that cuts it', function () {
  this.timeout(60_000)
  let server: RedisServer
  let proxy: CuttingProxy
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start()
    proxy = new CuttingProxy(server.port)
  })
  after(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  it('loses and doubles nothing, wherever in a call or a reply it is cut', async () => {
    const backend = await openAt(await proxy.start(), { patienceMs: '50000' })
    const table = await tableOn(backend)
    const refs = Array.from({ length: 10 }, () => thing())
    await Promise.all(refs.map((ref) => send(backend, put(ref, { n: 0, filling: 'x'.repeat(500) }))))
    const STEPS = 60
    const lane = async (ref: (typeof refs)[number]): Promise<void> => {
      for (let n = 1; n <= STEPS; n++) {
        const { stamp, cells } = await standing(backend, ref)
        assert.equal(cells.get('n'), n - 1)
        const add: Op = { do: 'add', table: table.id, key: ['p', 1n], column: 2, by: 1n }
        await send(backend, put(ref, { n }, stamp), add)
      }
    }
    await Promise.all(refs.map(lane))
    proxy.isCutting = false
    assert.ok(proxy.cuts > 5, `only ${proxy.cuts} cuts: nothing was tested`)
    assert.equal((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2], BigInt(STEPS * refs.length))
    for (const ref of refs) assert.equal((await standing(backend, ref)).cells.get('n'), STEPS)
    await backend.close()
  })
})
