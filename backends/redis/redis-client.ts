import type { Cluster, Redis, RedisOptions } from 'ioredis'
import { UnsupportedError } from '../../src/errors.js'
import type { TlsFiles } from '../../src/server-url.js'
import { tlsFile } from '../../src/tls-file.js'
import type { RedisConfig } from './redis-config.js'
import { tellsMore } from './redis-errors.js'

export type Client = Redis | Cluster

export const isCluster = (client: Client): client is Cluster => client.isCluster

/** Replies that come later than anybody waits are as good as none, but a busy server may take its time. */
const COMMAND_MS_MIN = 2_000
const COMMAND_MS_MAX = 20_000
const CONNECT_TIMEOUT_MS = 2_000
const RECONNECT_MS_MAX = 500
/** How old the driver's knowledge of who has which slot may be, where no server corrects it. */
const SLOTS_MS = 5_000

export type Argument = string | Buffer | number

/** The loaded driver with its client. */
export interface Driver {
  readonly client: Client
  /** Replies hold bytes, never text. A list, since there may be more arguments than a call of JavaScript takes. */
  send(command: string, args: Argument[]): Promise<unknown>
  /** What `work` sends before it returns leaves as one write to each server of a Cluster: a write for each call is a quarter of its cost. */
  together<T>(work: () => T): T
  /** Drops its connections; nothing of it keeps the process any more. */
  close(): void
}

/** Loaded here and only now: who stays on files never loads a driver. */
export async function makeDriver(config: RedisConfig): Promise<Driver> {
  const ioredis = await loaded()
  const client = clientOf(ioredis, config)
  const looking = client instanceof ioredis.Cluster ? lookAtSlots(client) : undefined
  return {
    client,
    close() {
      clearInterval(looking)
      client.disconnect()
    },
    together: (work) => (client instanceof ioredis.Cluster ? corked(client.nodes('master'), work) : work()),
    send: (name, args) => client.sendCommand(new ioredis.Command(name, args, { replyEncoding: null })) as Promise<unknown>,
  }
}

function corked<T>(nodes: readonly Redis[], work: () => T): T {
  // A server that is being connected has no stream yet.
  const streams = nodes.flatMap(({ stream }) => (stream?.writable ? [stream] : []))
  for (const stream of streams) stream.cork()
  try {
    return work()
  } finally {
    for (const stream of streams) stream.uncork()
  }
}

/**
 * Not by the driver's own interval: where it is closed while it looks, it sets the next timer all the same, then the one after that, and the
 * process never ends.
 */
function lookAtSlots(cluster: Cluster): NodeJS.Timeout {
  return setInterval(() => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache()
  }, SLOTS_MS).unref()
}

type Ioredis = Pick<typeof import('ioredis'), 'Redis' | 'Cluster' | 'Command'>

async function loaded(): Promise<Ioredis> {
  try {
    return await import('ioredis')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new UnsupportedError('The redis backend needs its driver: npm install ioredis', { code: 'ERR_NO_DRIVER', cause })
  }
}

/** An unconnected client. The backend repeats calls itself, on its own clock: the driver must not, and must not queue. */
function clientOf({ Redis, Cluster }: Ioredis, config: RedisConfig): Client {
  const { kind, nodes } = config
  if (kind === 'single')
    return new Redis({ ...nodes[0]!, ...commonOptions(config), db: config.db, retryStrategy: reconnectMs, enableOfflineQueue: false })
  return new Cluster([...nodes], {
    redisOptions: commonOptions(config),
    lazyConnect: true,
    enableOfflineQueue: true,
    // A call that was cut off may have been executed, so that whoever sends it again must say so: we do, the driver does not.
    retryDelayOnFailover: 0,
    slotsRefreshInterval: 0,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    clusterRetryStrategy: reconnectMs,
    dnsLookup: (address, done) => done(null, address),
  })
}

/** What a connection of its own to the first node of a Cluster fails with; `undefined`: it does not. */
export async function connectionError(config: RedisConfig): Promise<Error | undefined> {
  const { Redis } = await loaded()
  const client = new Redis({ ...config.nodes[0]!, ...commonOptions(config), retryStrategy: () => null })
  let seen: Error | undefined
  client.on('error', (error) => {
    seen = tellsMore(seen, error)
  })
  try {
    await client.connect()
    await client.ping()
    return undefined
  } catch (error) {
    return tellsMore(seen, error as Error)
  } finally {
    client.disconnect()
  }
}

function commonOptions({ url, username, password, tls, patienceMs }: RedisConfig): CommonOptions {
  return {
    lazyConnect: true,
    protocol: 2, // replies of raw commands have one shape in it
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: Math.min(Math.max(patienceMs, COMMAND_MS_MIN), COMMAND_MS_MAX),
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectionName: 'insitu',
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: tlsOptions(url, tls) }),
  }
}

type CommonOptions = Omit<RedisOptions, 'replyMapping' | 'host' | 'port' | 'path'>

const reconnectMs = (times: number): number => Math.min(20 * 2 ** Math.min(times, 10), RECONNECT_MS_MAX)

function tlsOptions(url: string, { caFile, certFile, keyFile, servername }: TlsFiles): NonNullable<RedisOptions['tls']> {
  return {
    ...(caFile !== undefined && { ca: tlsFile(url, 'caFile', caFile) }),
    ...(certFile !== undefined && { cert: tlsFile(url, 'certFile', certFile) }),
    ...(keyFile !== undefined && { key: tlsFile(url, 'keyFile', keyFile) }),
    ...(servername !== undefined && { servername }),
  }
}
