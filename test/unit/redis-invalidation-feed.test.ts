/** What a watcher has open to its servers: two connections to each, whatever becomes of them. No server: connections that open and close at will. */
import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { InvalidationFeed } from '../../backends/redis/invalidation-feed.js'
import type { RedisLink } from '../../backends/redis/redis-link.js'

class Connection extends EventEmitter {
  isOpen = false

  async connect(): Promise<void> {
    this.isOpen = true
  }

  /** The other side's word, which comes later. */
  disconnect(): void {
    if (!this.isOpen) return
    this.isOpen = false
    setImmediate(() => this.emit('close'))
  }

  client = async (): Promise<number> => 1
  subscribe = async (): Promise<number> => 1
  mget = async (): Promise<readonly null[]> => []
}

describe('the feed of changed keys in Redis', () => {
  const connections: Connection[] = []
  const server = {
    options: { host: 'here', port: 1 },
    duplicate: () => {
      const connection = new Connection()
      connections.push(connection)
      return connection
    },
  }
  const link = { client: new EventEmitter(), masterOf: () => server } as never as RedisLink

  it('that lost a connection listens again, and leaves none open when it is closed', async () => {
    const feed = new InvalidationFeed(link)
    const { signal } = new AbortController()
    const subscription = feed.subscribe()
    expect(await subscription.follow(['a'])).to.equal(true)
    connections[0]!.disconnect()
    await subscription.next(1000, signal)
    expect(await subscription.follow(['a'])).to.equal(true)
    for (let i = 0; i < 4; i++) await turn()
    expect(connections.filter(({ isOpen }) => isOpen)).to.have.lengthOf(2)
    feed.close()
    await turn()
    expect(connections.filter(({ isOpen }) => isOpen)).to.have.lengthOf(0)
  })
})
