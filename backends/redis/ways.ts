/**
 * What this client has had applied, to be looked for once on each new way to the server that has its domain. The sequence alone does not tell
 * that a server which was restarted, or the replica that took over, has lost it: others may have counted on, past all that this client was told.
 */
import type { Redis } from 'ioredis'
import type { CommitId } from '../../src/ids.js'
import { type Client, isCluster } from './redis-client.js'
import type { Partition } from './redis-keys.js'
import { slotOf } from './slot.js'

/** The one clock stands while the machine sleeps, the other is set by people. */
const now = (): readonly [number, number] => [performance.now(), Date.now()]

interface Applied {
  readonly commit: CommitId
  readonly at: readonly [number, number]
}

export class Ways {
  /** How often each server was connected to. */
  readonly #connections = new Map<string, number>()
  readonly #taken = new Map<Partition, string>()
  readonly #applied = new Map<Partition, Applied>()

  /** Follows the connections of a client that has none yet. */
  follow(client: Client): void {
    if (isCluster(client)) client.on('+node', (node: Redis) => this.#count(node, nameOf(node)))
    else this.#count(client, '')
  }

  #count(server: Redis, name: string): void {
    server.on('connect', () => this.#connections.set(name, (this.#connections.get(name) ?? 0) + 1))
  }

  /** The way that calls on a domain take as things are: another one after each connection, and to each server. */
  to(domain: Partition, client: Client): string {
    const name = isCluster(client) ? (client.slots[slotOf(domain)]?.[0] ?? '') : ''
    return `${name} ${this.#connections.get(name) ?? 0}`
  }

  isNew(domain: Partition, way: string): boolean {
    return this.#taken.get(domain) !== way
  }

  /** What was applied last in a domain, not longer ago than its receipt is sure to be kept. */
  witness(domain: Partition, keptMs: number): CommitId | undefined {
    const last = this.#applied.get(domain)
    return last && now().every((ms, i) => ms - last.at[i]! < keptMs) ? last.commit : undefined
  }

  take(domain: Partition, way: string): void {
    this.#taken.set(domain, way)
  }

  applied(domain: Partition, commit: CommitId): void {
    this.#applied.set(domain, { commit, at: now() })
  }

  clear(): void {
    for (const map of [this.#connections, this.#taken, this.#applied]) map.clear()
  }
}

const nameOf = ({ options: { host, port } }: Redis): string => `${host}:${port}`
