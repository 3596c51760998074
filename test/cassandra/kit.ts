import { randomBytes } from 'node:crypto'
import { Client, type ClientOptions } from 'cassandra-driver'
import { createBackend, dropKeyspace, makeKeyspace } from '../../backends/cassandra/index.js'
import type { Backend } from '../../src/backend.js'
import { type CassandraSite, cassandraSite, whyNoCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'

/** Files of this folder run in one process, and share a server. */
let shared: Promise<CassandraSite> | undefined

after(async function () {
  this.timeout(60_000)
  await (await shared?.catch(() => undefined))?.stop()
})

/** The server of the suite, started at its first use. In a hook: without one the suite is not run. */
export function siteFor(context: Mocha.Context): Promise<CassandraSite> {
  context.timeout(600_000)
  requireServer(context, whyNoCassandra())
  shared ??= cassandraSite()
  return shared
}

export const urlOf = ({ contactPoints, port, dataCentre }: CassandraSite, keyspace: string): string =>
  `cassandra://${contactPoints.join(',')}:${port}/${keyspace}?dc=${dataCentre}`

/** The driver itself, as a program that does not know insitu would use it. Shut down by who asked for it. */
export async function rawClient(
  { contactPoints, port, dataCentre }: Omit<CassandraSite, 'stop'>,
  more: ClientOptions = {},
): Promise<Client> {
  const client = new Client({
    contactPoints: [...contactPoints],
    protocolOptions: { port },
    localDataCenter: dataCentre,
    ...more,
  } as ClientOptions)
  await client.connect()
  return client
}

/** A keyspace of its own for a suite. */
export class Keyspace {
  private constructor(readonly url: string) {}

  static async on(site: CassandraSite, copies = 1): Promise<Keyspace> {
    const keyspace = new Keyspace(urlOf(site, `test_${randomBytes(5).toString('hex')}`))
    await makeKeyspace(keyspace.url, copies)
    return keyspace
  }

  get name(): string {
    return new URL(this.url).pathname.slice(1)
  }

  backend(query = ''): Backend {
    return createBackend(`${this.url}${query}`)
  }

  async open(query = ''): Promise<Backend> {
    const backend = this.backend(query)
    await backend.open()
    return backend
  }

  drop(): Promise<void> {
    return dropKeyspace(this.url)
  }
}

/** What `run` fails with. */
export async function failureOf(run: () => Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('nothing was thrown')
}
