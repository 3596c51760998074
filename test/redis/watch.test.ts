import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from 'insitu'
import type { Backend, Ref, Stamp } from '../../src/backend.js'
import { put, send, standing, thing } from '../conformance/contract-kit.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { freshNamespace, openAt } from './kit.js'
import { Watched } from './watch-child.js'

const CHILD = fileURLToPath(new URL('./watch-child.js', import.meta.url))

/** What a watcher sees, and when. */
class Seen {
  readonly revisions = new Map<string, number | null>()
  readonly #stop = new AbortController()
  readonly #over: Promise<void>

  constructor(backend: Backend, refs: readonly Ref[]) {
    this.#over = this.#follow(backend.watcher!.watch(refs, this.#stop.signal))
  }

  async #follow(stamps: AsyncIterable<readonly [Ref, Stamp | null]>): Promise<void> {
    for await (const [ref, stamp] of stamps) this.revisions.set(ref.id, stamp?.revision ?? null)
  }

  /** How long until an object was seen at a revision, in milliseconds. */
  async until(ref: Ref, revision: number | null): Promise<number> {
    const start = performance.now()
    while (this.revisions.get(ref.id) !== revision) {
      if (performance.now() - start > 30_000) throw new Error(`it is seen at ${this.revisions.get(ref.id)}, not at ${revision}`)
      await delay(1)
    }
    return performance.now() - start
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#over
  }
}

async function change(backend: Backend, ref: Ref, v: number): Promise<void> {
  await send(backend, put(ref, { v }, (await standing(backend, ref)).stamp))
}

const calls = async (server: RedisServer): Promise<number> =>
  Number(/total_commands_processed:(\d+)/.exec(await server.cli('INFO', 'stats'))![1])

describe('redis: watching', function () {
  this.timeout(60_000)
  let server: RedisServer
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start()
  })
  after(() => server?.stop())

  it('changes by others are seen at once, without asking again and again', async () => {
    const namespace = freshNamespace()
    const [mine, other] = [await openAt(server, { namespace }), await openAt(server, { namespace })]
    const refs = [thing(), thing(), thing()]
    for (const ref of refs) await send(other, put(ref, { v: 0 }))
    const seen = new Seen(mine, refs)
    for (const ref of refs) await seen.until(ref, 1)
    await delay(100)
    const [before, beganMs] = [await calls(server), performance.now()]
    await delay(900)
    const made = (await calls(server)) - before
    // It looks once a second all the same; here that is as often as the machine lets it.
    const seconds = Math.ceil((performance.now() - beganMs) / 1000)
    assert.ok(made < 8 * seconds, `it asks again and again: ${made} calls in ${seconds} s`)
    const times: number[] = []
    for (let v = 1; v <= 20; v++) {
      await change(other, refs[v % 3]!, v)
      times.push(await seen.until(refs[v % 3]!, 1 + Math.ceil(v / 3)))
    }
    const median = times.sort((a, b) => a - b)[10]!
    // Two or three on a machine that does nothing else; by looking it would be five hundred.
    assert.ok(median < 200, `${median} ms`)
    const { stamp } = await standing(other, refs[0]!)
    await send(other, { do: 'remove', ref: refs[0]!, expect: stamp })
    await seen.until(refs[0]!, null)
    await seen.stop()
    await Promise.all([mine.close(), other.close()])
  })

  it('the last of many changes is seen, also when the connections that tell of them are cut', async () => {
    const namespace = freshNamespace()
    const [mine, other] = [await openAt(server, { namespace }), await openAt(server, { namespace })]
    const ref = thing()
    let { stamps } = await send(other, put(ref, { v: 0 }))
    const seen = new Seen(mine, [ref])
    await seen.until(ref, 1)
    for (let v = 1; v <= 120; v++) {
      stamps = (await send(other, put(ref, { v }, stamps.get(ref.id)!))).stamps
      if (v % 20 === 0) await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await seen.until(ref, 121)
    await change(other, ref, 0)
    await seen.until(ref, 122)
    await seen.stop()
    await Promise.all([mine.close(), other.close()])
  })

  it('a user who may not be told asks instead', async () => {
    const namespace = freshNamespace()
    await server.cli('ACL', 'SETUSER', 'deaf', 'on', '>secret', `~${namespace}:*`, 'resetchannels', '+@all', '-client|tracking')
    const mine = await openAt({ url: `redis://deaf:secret@127.0.0.1:${server.port}` }, { namespace })
    const ref = thing()
    await send(mine, put(ref, { v: 0 }))
    const seen = new Seen(mine, [ref])
    await seen.until(ref, 1)
    await change(mine, ref, 1)
    await seen.until(ref, 2)
    await seen.stop()
    await mine.close()
  })

  it('another program sees what this one stores, and the end', async () => {
    const url = `${server.url}?namespace=${freshNamespace()}`
    const store = await connect(url)
    const object = await new Watched().makePersistent('followed')
    const child = spawn(process.execPath, [CHILD, url, 'followed'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    const over = once(child, 'exit')
    createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
    const until = async (line: string): Promise<void> => {
      for (const endMs = Date.now() + 40_000; lines.at(-1) !== line; await delay(5))
        assert.ok(Date.now() < endMs, `${lines} and no ${line}`)
    }
    try {
      await until('ready')
      for (const n of [1, 2, 3]) {
        object.n = n
        await object.save()
        await until(String(n))
      }
      await object.deletePersistent()
      assert.deepEqual(await over, [0, null])
      assert.equal(lines.at(-1), 'gone')
    } finally {
      child.kill('SIGKILL')
      await store.close()
    }
  })

  it('objects on all masters of a Cluster are followed, through a resharding', async () => {
    const cluster = await RedisCluster.start()
    try {
      const namespace = freshNamespace()
      const [mine, other] = [await openAt(cluster, { namespace }), await openAt(cluster, { namespace })]
      const refs = Array.from({ length: 30 }, () => thing())
      for (const ref of refs) await send(other, put(ref, { v: 0 }))
      const seen = new Seen(mine, refs)
      for (const ref of refs) await seen.until(ref, 1)
      const callsOfAll = async (): Promise<number> => (await Promise.all(cluster.servers.map(calls))).reduce((sum, one) => sum + one, 0)
      await delay(100)
      const [before, beganMs] = [await callsOfAll(), performance.now()]
      await delay(900)
      const made = (await callsOfAll()) - before
      // Once a second it looks at each all the same; without being told it would do so twenty times.
      assert.ok(made < 500 * Math.ceil((performance.now() - beganMs) / 1000), `it asks again and again: ${made} calls`)
      for (const ref of refs) await change(other, ref, 1)
      for (const ref of refs) await seen.until(ref, 2)
      const [source, target] = await Promise.all(cluster.servers.map((one) => one.cli('CLUSTER', 'MYID')))
      await cluster.servers[0]!.cluster(
        'reshard',
        '--cluster-from',
        source!,
        '--cluster-to',
        target!,
        '--cluster-slots',
        '1000',
        '--cluster-yes',
      )
      for (const ref of refs) await change(other, ref, 2)
      for (const ref of refs) await seen.until(ref, 3)
      await seen.stop()
      await Promise.all([mine.close(), other.close()])
    } finally {
      await cluster.stop()
    }
  })
})
