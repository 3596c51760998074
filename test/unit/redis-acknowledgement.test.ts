/** The connections on which copies are waited for: one beside each master, and none beside what is no master any more. No server. */
import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { Acknowledgement } from '../../backends/redis/acknowledgement.js'
import { RedisKeys } from '../../backends/redis/redis-keys.js'
import type { RedisLink } from '../../backends/redis/redis-link.js'

class Side extends EventEmitter {
  status = 'ready'
  set = async (): Promise<void> => {}
  wait = async (): Promise<number> => 1

  disconnect(): void {
    this.status = 'end'
  }
}

class Server {
  readonly sides: Side[] = []

  duplicate(): Side {
    const side = new Side()
    this.sides.push(side)
    return side
  }

  get open(): number {
    return this.sides.filter(({ status }) => status === 'ready').length
  }
}

describe('waiting for copies in Redis', () => {
  it('leaves nothing open to a server that is no master any more', async () => {
    const [first, second] = [new Server(), new Server()]
    let masters = [first]
    const link = {
      client: { isCluster: false },
      config: { url: 'redis://here', patienceMs: 1000 },
      masters: () => masters,
      command: (send: (client: unknown) => Promise<unknown>) => send(undefined),
      reached: (work: () => Promise<unknown>) => work(),
    }
    const acknowledgement = new Acknowledgement(link as never as RedisLink, new RedisKeys('test'))
    acknowledgement.learn(['committed', 'replicated:1'], [])
    await acknowledgement.wait('replicated:1')
    masters = [second]
    await acknowledgement.wait('replicated:1')
    await acknowledgement.wait('replicated:1')
    expect([first.open, second.open]).to.deep.equal([0, 1])
    expect([first.sides.length, second.sides.length]).to.deep.equal([1, 1])
    acknowledgement.close()
    expect(second.open).to.equal(0)
  })
})
