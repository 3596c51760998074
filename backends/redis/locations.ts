import type { Location } from '../../src/backend.js'
import type { Host } from '../../src/ids.js'
import { isCluster } from './redis-client.js'
import type { Partition } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'
import type { ServerFacts } from './server-facts.js'
import { slotOf } from './slot.js'

/** Which servers hold a partition, master first, as `host:port`. The driver keeps the map of a Cluster up to date. */
export class Locations {
  #single: readonly string[] = []

  constructor(readonly link: RedisLink) {}

  learn(servers: readonly ServerFacts[]): void {
    const [node] = this.link.config.nodes
    this.#single = [`${node!.host}:${node!.port}`, ...servers.flatMap(({ replicas }) => replicas)]
  }

  of(partition: Partition, bytes: number): Location[] {
    const { client } = this.link
    const hosts = isCluster(client) ? (client.slots[slotOf(partition)] ?? []) : this.#single
    return hosts.map((host, i) => ({ host: host as Host, bytes, role: i === 0 ? 'primary' : 'copy' }))
  }
}
