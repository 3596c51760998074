import type { Redis } from 'ioredis'
import type { Ack } from '../../src/backend.js'
import { UnavailableError, UnsupportedError } from '../../src/errors.js'
import { isCluster } from './redis-client.js'
import { PARTITIONS, type Partition, type RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'
import { fsyncNow, hasWaitAof, type ServerFacts } from './server-facts.js'
import { slotOf } from './slot.js'

/** How long replicas, or the disk, are waited for in one go. */
const WAIT_MS = 1000

/** Waits until every server has brought what it was sent to a level. */
export class Acknowledgement {
  #acks: readonly Ack[] = ['committed']
  #hasWaitAof = false
  readonly #turns = new Map<Ack, { now?: Promise<void>; next?: Promise<void> }>()
  readonly #sides = new Map<Redis, Redis>()

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
  ) {}

  learn(acks: readonly Ack[], servers: readonly ServerFacts[]): void {
    this.#acks = acks
    this.#hasWaitAof = servers.some(hasWaitAof)
  }

  async wait(ack: Ack): Promise<void> {
    if (!this.#acks.includes(ack)) throw notGiven(this.link.config.url, ack, this.#acks)
    if (ack === 'committed') return
    await this.#shared(ack)
  }

  close(): void {
    for (const side of this.#sides.values()) side.disconnect()
    this.#sides.clear()
  }

  /** Who comes while a wait is under way shares the next one, which begins after all that it committed. */
  #shared(ack: Ack): Promise<void> {
    const turn = this.#turns.get(ack) ?? {}
    this.#turns.set(ack, turn)
    if (turn.next) return turn.next
    const begin = (): Promise<void> => {
      delete turn.next
      const now = this.#everywhere(ack).finally(() => {
        if (turn.now === now) delete turn.now
      })
      turn.now = now
      return now
    }
    if (!turn.now) return begin()
    turn.next = turn.now.then(begin, begin)
    return turn.next
  }

  #everywhere(ack: Ack): Promise<void> {
    if (ack === 'durable') return this.link.reached((changed) => this.#onDisk(changed))
    const copies = Number(ack.slice('replicated:'.length))
    return this.link.reached(() => {
      const masters = this.link.masters()
      this.#leaveOthers(masters)
      return Promise.all(masters.map((server) => this.#waitAt(server, copies, ack)))
    })
  }

  /**
   * With `appendfsync always` a server answers only when its disk has the write. Somebody may have set it otherwise since the store was
   * opened, and after a failover it is the setting of another server: so it is asked for each time.
   */
  async #onDisk(changed: ReadonlySet<Partition>): Promise<void> {
    const asked = await this.link.command(async () => {
      const servers = this.#mastersOf(changed)
      return [servers, await Promise.all(servers.map(fsyncNow))] as const
    })
    const [servers, fsyncs] = asked
    const others = servers.filter((_, i) => fsyncs[i] !== 'always')
    if (others.length > 0 && (fsyncs.includes('none') || !this.#hasWaitAof))
      throw notGiven(
        this.link.config.url,
        'durable',
        this.#acks.filter((ack) => ack !== 'durable'),
      )
    await Promise.all(others.map((server) => this.#waitAt(server, 0, 'durable')))
  }

  #mastersOf(partitions: ReadonlySet<Partition>): readonly Redis[] {
    const masters = [...partitions].map((partition) => this.link.masterOf(this.keys.sequence(partition)))
    return [...new Set(masters.flatMap((master) => master ?? this.link.masters()))]
  }

  /** A driver goes on trying to connect to a server that has gone for good. */
  #leaveOthers(masters: readonly Redis[]): void {
    for (const [server, side] of this.#sides) {
      if (masters.includes(server)) continue
      this.#sides.delete(server)
      side.disconnect()
    }
  }

  /** A wait holds up all that comes behind it on its connection, so that it has one of its own. */
  #sideOf(server: Redis): Redis {
    const known = this.#sides.get(server)
    if (known && known.status !== 'end') return known
    const side = server.duplicate()
    side.on('error', () => {}) // what is asked of it fails by itself
    this.#sides.set(server, side)
    return side
  }

  async #waitAt(server: Redis, copies: number, ack: Ack): Promise<void> {
    const endMs = Date.now() + this.link.config.patienceMs
    for (;;) {
      // WAIT is about writes of its own connection: one of no matter stands for all that the server took before.
      const reached = await this.link.command(async () => {
        const side = this.#sideOf(server)
        await side.set(this.#keyAt(server), '', 'PX', WAIT_MS)
        return copies === 0 ? waitForDisk(side) : side.wait(copies, WAIT_MS)
      })
      if (reached >= Math.max(1, copies)) return
      if (Date.now() > endMs)
        throw new UnavailableError(`${this.link.config.url}: ${ack} was not reached: ${reached} of ${copies} replicas have it`, {
          code: 'ERR_NOT_REPLICATED',
          retryable: true,
          ack,
        })
    }
  }

  /** A key of the namespace in a slot of this server. */
  #keyAt(server: Redis): string {
    const { client } = this.link
    if (!isCluster(client)) return `${this.keys.sequence(0)}:wait`
    const name = `${server.options.host}:${server.options.port}`
    for (let partition = 0; partition < PARTITIONS; partition++)
      if (client.slots[slotOf(partition)]?.[0] === name) return `${this.keys.sequence(partition)}:wait`
    throw new UnavailableError(`${this.link.config.url}: no slots are known at ${name}`, { retryable: true })
  }
}

async function waitForDisk(server: Redis): Promise<number> {
  const [local] = (await server.call('WAITAOF', 1, 0, WAIT_MS)) as [number, number]
  return local
}

function notGiven(url: string, ack: Ack, acks: readonly Ack[]): UnsupportedError {
  const isOfCopies = /^replicated:[1-9]\d*$/.test(ack)
  const more = isOfCopies ? 'connect more replicas' : 'there is no such level'
  const fix = ack === 'durable' ? 'CONFIG SET appendonly yes, and appendfsync always' : more
  return new UnsupportedError(`${url} cannot give acknowledgement level ${ack}, only ${acks.join(', ')}: ${fix}.`, {
    code: 'ERR_ACK_LEVEL',
    ack,
  })
}
