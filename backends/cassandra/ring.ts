/** Which nodes hold what. The driver's picture of the ring is of the time it connected: it is drawn anew when nodes come and go. */
import type { Host as Node, token } from 'cassandra-driver'
import type { Location } from '../../src/backend.js'
import { type Host, uuidBytes } from '../../src/ids.js'
import type { CassandraLink } from './cassandra-link.js'
import { type RingRange, WHOLE_RING } from './ring-range.js'

interface Part extends RingRange {
  readonly nodes: readonly string[]
}

export class Ring {
  #parts: { readonly of: unknown; readonly parts: readonly Part[] } | undefined

  constructor(readonly link: CassandraLink) {}

  /** Where one part of the ring ends and the next begins. */
  borders(): readonly bigint[] {
    return this.#ranges().map(({ upTo }) => upTo)
  }

  /** Hosts of the partition that an id is the key of, first the one that owns it. */
  ofId(id: string, bytes: number): Location[] {
    return locationsOf(this.replicas(Buffer.from(uuidBytes(id))).map((node) => [node.address, bytes]))
  }

  /** Addresses of the nodes of the data centre next to this program. */
  near(): readonly string[] {
    const { client, dataCentre } = this.link
    return client.hosts
      .values()
      .filter((node) => node.datacenter === dataCentre)
      .map(({ address }) => address.replace(/:\d+$/, ''))
  }

  replicas(key: Buffer): readonly Node[] {
    const { metadata } = this.link.client
    return metadata.getReplicas(this.link.config.keyspace, metadata.newToken(key)) ?? []
  }

  /** What the same nodes hold, so much at a time, in the order given: what may travel in one request. `keyOf` gives a partition's key. */
  shares<T>(items: readonly T[], keyOf: (item: T) => Buffer, max: number): readonly (readonly T[])[] {
    const isOneSet = new Set(this.#ranges().map(({ nodes }) => setName(nodes))).size <= 1
    const shares: T[][] = []
    const filling = new Map<string, T[]>()
    for (const item of items) {
      const set = isOneSet ? '' : setName(this.replicas(keyOf(item)).map(({ address }) => address))
      const share = filling.get(set)
      if (share && share.length < max) share.push(item)
      else {
        const next = [item]
        filling.set(set, next)
        shares.push(next)
      }
    }
    return shares
  }

  /** Hosts of a part of the ring: each with the share of the bytes that it has a copy of. */
  ofRange(range: RingRange, bytes: number): Location[] {
    const shares = new Map<string, number>()
    const width = Number(range.upTo - range.after)
    for (const part of this.#ranges()) {
      const overlap = Number(min(part.upTo, range.upTo) - max(part.after, range.after))
      if (overlap <= 0) continue
      const share = width === 0 ? 1 : overlap / width
      for (const node of part.nodes) shares.set(node, (shares.get(node) ?? 0) + share)
    }
    return locationsOf([...shares].sort(([, a], [, b]) => b - a).map(([node, share]) => [node, Math.round(bytes * share)]))
  }

  /** Nodes nearby that have a copy of a range, first the one with the largest part. */
  nodesFor(range: RingRange): readonly Node[] {
    const { hosts } = this.link.client
    const found = this.ofRange(range, 1).map(({ host }) => host as string)
    const near = hosts.values().filter((node) => node.isUp() && node.datacenter === this.link.dataCentre)
    return found.flatMap((place) => near.find(({ address }) => address.replace(/:\d+$/, '') === place) ?? [])
  }

  /** Parts of the ring that do not go over its end, with the nodes that hold them. */
  #ranges(): readonly Part[] {
    const { metadata, hosts } = this.link.client
    const drawn = metadata.getTokenRanges()
    const of = JSON.stringify([hosts.values().map(({ address, tokens }) => [address, tokens?.length ?? 0]), drawn.size])
    if (this.#parts?.of !== of) this.#parts = { of, parts: [...drawn].flatMap((range) => this.#partsOf(range)) }
    return this.#parts.parts.length > 0 ? this.#parts.parts : [{ ...WHOLE_RING, nodes: hosts.values().map(({ address }) => address) }]
  }

  /** By its end, which is the token that decides; one over the end of the ring is two. */
  #partsOf(range: token.TokenRange): readonly Part[] {
    const [after, upTo] = [tokenOf(range.start), tokenOf(range.end)]
    const found = this.link.client.metadata.getReplicas(this.link.config.keyspace, range.end) as readonly Node[] | null
    const nodes = (found ?? []).map(({ address }) => address)
    if (after < upTo) return [{ after, upTo, nodes }]
    return [
      { after, upTo: WHOLE_RING.upTo, nodes },
      { after: WHOLE_RING.after, upTo, nodes },
    ].filter((part) => part.after < part.upTo)
  }
}

const setName = (nodes: readonly string[]): string => [...nodes].sort().join(' ')

const tokenOf = (one: token.Token): bigint => BigInt(String(one.getValue()))

function locationsOf(shares: readonly (readonly [string, number])[]): Location[] {
  return shares.map(([node, bytes], i) => ({ host: node.replace(/:\d+$/, '') as Host, bytes, role: i === 0 ? 'primary' : 'copy' }))
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
