import type { Backend, BackendFactory } from '../../src/backend.js'
import { CassandraBackend } from './cassandra-backend.js'
import { configOf } from './cassandra-config.js'

export { CassandraBackend } from './cassandra-backend.js'
export { type CassandraFinding, type CassandraFsckReport, fsck } from './fsck.js'
export { dropKeyspace, makeKeyspace } from './keyspaces.js'

/**
 * `cassandra://[user:password@]host[:port][,host…]/keyspace?dc=DATACENTRE`
 *
 * @example createBackend('cassandra://127.0.0.1/shop?dc=datacenter1')
 */
export const createBackend: BackendFactory = (url: string): Backend => new CassandraBackend(configOf(url))
