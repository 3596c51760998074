/**
 * What servers say of keys that have changed (CLIENT TRACKING). The driver drops such notices on a connection of its newer protocol, so
 * that each server has two of the older: one that reads the keys, and one that the notices are redirected to.
 */
import { once } from 'node:events'
import type { Redis } from 'ioredis'
import { byDomain } from './by-domain.js'
import { isCluster } from './redis-client.js'
import { partitionOfKey } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'

const CHANNEL = '__redis__:invalidate'
/** Before a server that would not tell is asked again. */
const PAUSE_MS = 5_000

/** Keys that one watcher wants to hear of. */
export class Subscription {
  readonly #changed = new Set<string>()
  #wake: (() => void) | undefined

  constructor(readonly feed: InvalidationFeed) {}

  /** Whether changes of all these keys will be told from now on, once each. */
  async follow(keys: readonly string[]): Promise<boolean> {
    for (const key of keys) this.#changed.delete(key)
    return this.feed.follow(keys)
  }

  /** Keys that have changed; none when the time was over first. */
  async next(waitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#changed.size === 0 && !signal.aborted) await this.#woken(waitMs, signal)
    const changed = [...this.#changed]
    this.#changed.clear()
    return changed
  }

  #woken(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      signal.addEventListener('abort', wake, { once: true })
      this.#wake = wake
    })
  }

  /** `undefined`: all may have changed. */
  tell(keys: readonly string[] | undefined): void {
    for (const key of keys ?? []) this.#changed.add(key)
    this.#wake?.()
  }

  end(): void {
    this.feed.subscriptions.delete(this)
  }
}

export class InvalidationFeed {
  readonly subscriptions = new Set<Subscription>()
  readonly #ears = new Map<string, Promise<Ear | undefined>>()
  readonly #deafUntilMs = new Map<string, number>()

  constructor(readonly link: RedisLink) {}

  subscribe(): Subscription {
    const subscription = new Subscription(this)
    this.subscriptions.add(subscription)
    return subscription
  }

  /** Whether all servers that have the keys will tell of them. */
  async follow(keys: readonly string[]): Promise<boolean> {
    const byServer = new Map<Redis, string[]>()
    for (const key of keys) {
      const server = this.link.masterOf(key)
      if (!server) return false
      byServer.set(server, [...(byServer.get(server) ?? []), key])
    }
    const told = await Promise.all([...byServer].map(([server, some]) => this.#followAt(server, some)))
    return told.every(Boolean)
  }

  async #followAt(server: Redis, keys: readonly string[]): Promise<boolean> {
    const name = `${server.options.host}:${server.options.port}`
    if ((this.#deafUntilMs.get(name) ?? 0) > Date.now()) return false
    if (!this.#ears.has(name)) this.#ears.set(name, this.#listen(server, name))
    const ear = await this.#ears.get(name)
    if (!ear) return false
    // A command of a Cluster is about one slot. One that has just moved is not read here any more: its new place is asked next time.
    const lists = isCluster(this.link.client) ? [...byDomain(keys, partitionOfKey).values()] : [keys]
    return Promise.all(lists.map((some) => ear.reader.mget(...some))).then(
      () => true,
      () => false,
    )
  }

  async #listen(server: Redis, name: string): Promise<Ear | undefined> {
    const ear = new Ear(server, (keys) => this.#tell(keys))
    let isLost = false
    // Both connections tell it: by the second time another ear may stand under the name.
    const lost = (): void => {
      if (isLost) return
      isLost = true
      this.#ears.delete(name)
      ear.close()
      this.#tell(undefined)
    }
    try {
      await ear.open(lost)
      return ear
    } catch {
      this.#deafUntilMs.set(name, Date.now() + PAUSE_MS) // not allowed, or away: those who wait look by themselves
      lost()
      return undefined
    }
  }

  #tell(keys: readonly string[] | undefined): void {
    for (const subscription of this.subscriptions) subscription.tell(keys)
  }

  close(): void {
    for (const ear of this.#ears.values()) void ear.then((one) => one?.close())
    this.#ears.clear()
  }
}

/** Two connections to one server. */
class Ear {
  readonly reader: Redis
  readonly #listener: Redis

  constructor(
    server: Redis,
    readonly heard: (keys: readonly string[] | undefined) => void,
  ) {
    const options = { lazyConnect: true, retryStrategy: () => null, enableOfflineQueue: true }
    this.reader = server.duplicate(options)
    this.#listener = server.duplicate(options)
  }

  async open(lost: () => void): Promise<void> {
    for (const one of [this.reader, this.#listener]) one.on('error', () => {}) // 'close' follows
    this.#listener.on('messageBuffer', (_channel: Buffer, keys: unknown) => this.heard(Array.isArray(keys) ? keys.map(String) : undefined))
    await Promise.all([this.reader.connect(), this.#listener.connect()])
    const id = await this.#listener.client('ID')
    await this.#listener.subscribe(CHANNEL)
    await this.reader.client('TRACKING', 'ON', 'REDIRECT', id)
    for (const one of [this.reader, this.#listener]) void once(one, 'close').then(lost, lost)
  }

  close(): void {
    this.reader.disconnect()
    this.#listener.disconnect()
  }
}
