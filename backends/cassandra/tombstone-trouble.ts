/**
 * Why a read failed. The protocol that the driver speaks says only that a node could not do it; whether it gave up over removed rows
 * stands in the nodes' own figures of what their reads met.
 */
import type { Host } from 'cassandra-driver'
import type { CassandraLink, Row } from './cassandra-link.js'
import { quoted } from './identifiers.js'

/** The figures are kept in classes, each a fifth wider than the one before. */
const NEARLY = 0.8

/** Whether a node says of a table in this statement that some read of it met as many removed rows as it allows. */
export async function metTooManyTombstones(link: CassandraLink, query: string): Promise<boolean> {
  const nodes = link.client.hosts.values().filter((host) => host.isUp())
  const found = await Promise.all(nodes.map((host) => isFull(link, query, host).catch(() => false))) // what cannot be asked says nothing
  return found.includes(true)
}

async function isFull(link: CassandraLink, query: string, host: Host): Promise<boolean> {
  const ask = async (text: string, params: readonly string[] = []): Promise<readonly Row[]> => {
    const options = { host, prepare: false, consistency: link.driver.types.consistencies.one }
    return (await link.client.execute(text, [...params], options)).rows
  }
  const [limit] = await ask("SELECT value FROM system_views.settings WHERE name = 'tombstone_failure_threshold'")
  const tables = await ask('SELECT table_name, max FROM system_views.tombstones_per_read WHERE keyspace_name = ?', [link.config.keyspace])
  return tables.some(
    (row) => query.includes(`${quoted(row.table_name as string)} `) && Number(row.max) >= NEARLY * Number(limit?.value ?? 100_000),
  )
}
