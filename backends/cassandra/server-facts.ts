/** What the ring can promise, read from it. */
import type { Ack } from '../../src/backend.js'
import { UnavailableError, UnsupportedError } from '../../src/errors.js'
import type { ConsistencyName } from './cassandra-config.js'
import type { CassandraLink } from './cassandra-link.js'
import { quoted } from './identifiers.js'

export interface ServerFacts {
  readonly acks: readonly Ack[]
  /** Copies of each row. */
  readonly replication: number
  /** Why `durable` is not among the levels. */
  readonly whyNotDurable: string | undefined
}

export async function factsOf(link: CassandraLink): Promise<ServerFacts> {
  const factors = await replicationOf(link)
  const sync = await commitLogSync(link)
  const isDurable = sync === 'batch' || sync === 'group'
  const copies = Math.max(0, copiesWritten(link.config.consistency, factors, link.dataCentre) - 1)
  return {
    acks: [
      'committed',
      ...(isDurable ? (['durable'] as const) : []),
      ...Array.from({ length: copies }, (_, i): Ack => `replicated:${i + 1}`),
    ],
    replication: sum([...factors.values()]),
    whyNotDurable: isDurable
      ? undefined
      : `commitlog_sync is ${sync}, so that a server may lose what it has just acknowledged; set it to batch or group`,
  }
}

/** How many nodes have a row when a write is acknowledged. Copies in other data centres are no part of what `local…` waits for. */
export function copiesWritten(consistency: ConsistencyName, factors: ReadonlyMap<string, number>, near: string): number {
  const all = [...factors.values()]
  const total = sum(all)
  switch (consistency) {
    case 'quorum':
      return quorumOf(total)
    case 'localQuorum':
      return quorumOf(factors.get(near) ?? factors.get(SIMPLE) ?? 0)
    case 'eachQuorum':
      return sum(all.map(quorumOf))
    case 'all':
      return total
    default:
      return Math.min(total, { one: 1, localOne: 1, two: 2, three: 3 }[consistency])
  }
}

const quorumOf = (copies: number): number => Math.floor(copies / 2) + 1

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

/** In place of a data centre where the keyspace does not tell them apart. */
const SIMPLE = 'replication_factor'

/** Copies of each row, by data centre. */
async function replicationOf(link: CassandraLink): Promise<ReadonlyMap<string, number>> {
  const { keyspace, url, dataCentre } = link.config
  const [row] = await link.ofNode('SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?', [keyspace])
  if (!row)
    throw noKeyspace(
      url,
      keyspace,
      dataCentre ?? [...new Set(link.client.hosts.values().map((host) => host.datacenter))][0] ?? 'datacenter1',
    )
  const factors = [...(row.replication as ReadonlyMap<string, string>)].map(([name, factor]) => [name, Number(factor)] as const)
  return new Map(factors.filter(([name, factor]) => name !== 'class' && Number.isFinite(factor)))
}

/** Nothing makes a keyspace by itself: how many copies there are is not for a program to guess. */
function noKeyspace(url: string, keyspace: string, dataCentre: string): Error {
  const statement = `CREATE KEYSPACE ${quoted(keyspace)} WITH replication = {'class': 'NetworkTopologyStrategy', '${dataCentre}': 3}`
  return new UnavailableError(
    `${url}: there is no keyspace ${keyspace}; make it, with as many copies as you want (1 to try it): ${statement}`,
    {
      code: 'ERR_NO_KEYSPACE',
      statement,
    },
  )
}

async function commitLogSync(link: CassandraLink): Promise<string> {
  const nodes = link.client.hosts.values().filter((host) => host.isUp())
  const found = await Promise.all(
    nodes.map(async (host) => {
      const options = { consistency: 'one', host } as const
      const [row] = await link.all("SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'", [], options).catch(() => [])
      return String(row?.value ?? 'unknown')
    }),
  )
  return found.find((sync) => sync !== 'batch' && sync !== 'group') ?? found[0] ?? 'unknown'
}

export function refuseAck(url: string, ack: Ack, { acks, whyNotDurable }: ServerFacts): never {
  const why = ack === 'durable' && whyNotDurable !== undefined ? `: ${whyNotDurable}` : `; it gives ${acks.join(', ')}`
  throw new UnsupportedError(`${url} cannot give acknowledgement level ${ack}${why}`, { code: 'ERR_ACK_LEVEL', ack })
}
