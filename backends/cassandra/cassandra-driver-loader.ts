/** The driver, loaded here and only when a store is opened: who stays on files never loads it. */
import type { Client, ClientOptions } from 'cassandra-driver'
import { UnsupportedError } from '../../src/errors.js'
import { tlsFile } from '../../src/tls-file.js'
import type { CassandraConfig } from './cassandra-config.js'

export type DriverModule = typeof import('cassandra-driver')

const CONNECT_TIMEOUT_MS = 3_000
/** A server gives up after 2 s (writes) and 5 s (reads); one that hangs is given up a little later. */
const READ_TIMEOUT_MS = 6_000

export async function loadDriver(): Promise<DriverModule> {
  try {
    const module = (await import('cassandra-driver')) as DriverModule & { readonly default?: DriverModule }
    return module.default ?? module
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new UnsupportedError('The cassandra backend needs its driver: npm install cassandra-driver', { code: 'ERR_NO_DRIVER', cause })
  }
}

/** An unconnected client. The backend repeats calls itself: the driver must not, since it cannot know which are harmless to repeat. */
export function makeClient({ Client, types, policies }: DriverModule, config: CassandraConfig, dataCentre: string | undefined): Client {
  const { contactPoints, port, username, password } = config
  const options: ClientOptions = {
    contactPoints: [...contactPoints],
    ...(dataCentre !== undefined && { localDataCenter: dataCentre }),
    protocolOptions: { port, maxSchemaAgreementWaitSeconds: 0 },
    ...(username !== undefined && { credentials: { username, password: password ?? '' } }),
    ...(config.tls && { sslOptions: tlsOptions(config.url, config.tls) }),
    encoding: { map: Map, set: Set, useBigIntAsLong: true, useBigIntAsVarint: true, useUndefinedAsUnset: true, copyBuffer: true },
    socketOptions: { connectTimeout: CONNECT_TIMEOUT_MS, readTimeout: READ_TIMEOUT_MS },
    policies: {
      retry: new policies.retry.FallthroughRetryPolicy(),
      // Whoever asks which data centre there is asks any node.
      ...(dataCentre === undefined && { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() }),
    },
    queryOptions: {
      prepare: true,
      consistency: types.consistencies[config.consistency],
      serialConsistency: types.consistencies[config.serial],
    },
  }
  const client = new Client(options)
  client.on('log', () => {})
  return client
}

function tlsOptions(
  url: string,
  { caFile, certFile, keyFile, servername }: NonNullable<CassandraConfig['tls']>,
): NonNullable<ClientOptions['sslOptions']> {
  return {
    rejectUnauthorized: true,
    ...(caFile !== undefined && { ca: tlsFile(url, 'caFile', caFile) }),
    ...(certFile !== undefined && { cert: tlsFile(url, 'certFile', certFile) }),
    ...(keyFile !== undefined && { key: tlsFile(url, 'keyFile', keyFile) }),
    ...(servername !== undefined && { servername }),
  }
}
