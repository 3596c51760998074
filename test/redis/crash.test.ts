import assert from 'node:assert/strict'
import { crash } from '../crash/crash-harness.js'
import type { Kind } from '../crash/protocol.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'

interface Subject {
  readonly start: () => Promise<{ readonly url: string; stop(): Promise<void> }>
  readonly kinds: readonly Kind[]
  readonly kills: number
}

const subjects: Record<string, Subject> = {
  redis: { start: () => RedisServer.start(), kinds: ['groups', 'objects', 'tasks'], kills: 60 },
  // Groups are sent to the backend itself, in one piece, which a Cluster takes only within a slot.
  'redis+cluster': { start: () => RedisCluster.start(), kinds: ['objects', 'tasks', 'bank'], kills: 40 },
}

describe('redis: crash', function () {
  this.timeout(600_000)
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })

  for (const [name, { start, kinds, kills }] of Object.entries(subjects)) {
    it(`${kills} kills of programs on ${name} lose, tear and double nothing`, async () => {
      const server = await start()
      const lines: string[] = []
      try {
        const totals = await crash({ url: `${server.url}?namespace=crash`, kills, seed: kills, kinds, onLife: (line) => lines.push(line) })
        const { lost, torn, doubled } = totals
        assert.deepEqual({ kills: totals.kills, lost, torn, doubled }, { kills, lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
        assert.ok(totals.acknowledged > kills, `only ${totals.acknowledged} steps were acknowledged: nothing was tested`)
      } finally {
        await server.stop()
      }
    })
  }
})
