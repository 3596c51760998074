import { configOf } from './cassandra-config.js'
import { CassandraLink } from './cassandra-link.js'
import { quoted } from './identifiers.js'

/** Makes the keyspace of a url, if there is none, with so many copies of each row in every data centre. */
export async function makeKeyspace(url: string, copies: number): Promise<void> {
  await linked(url, async (link) => {
    const centres = new Set(link.client.hosts.values().map((host) => host.datacenter))
    const replication = ["'class': 'NetworkTopologyStrategy'", ...[...centres].map((centre) => `'${centre}': ${copies}`)].join(', ')
    await link.define(`CREATE KEYSPACE IF NOT EXISTS ${quoted(link.config.keyspace)} WITH replication = {${replication}}`)
  })
}

/** Removes the keyspace of a url with all that it holds. Meant for tests: nobody may have it open. */
export async function dropKeyspace(url: string): Promise<void> {
  await linked(url, (link) => link.define(`DROP KEYSPACE IF EXISTS ${quoted(link.config.keyspace)}`))
}

async function linked(url: string, work: (link: CassandraLink) => Promise<void>): Promise<void> {
  const link = new CassandraLink(configOf(url))
  await link.open()
  try {
    await work(link)
  } finally {
    await link.close()
  }
}
