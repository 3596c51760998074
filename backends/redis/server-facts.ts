/** What a server says about itself, and what follows from it. */
import type { Redis } from 'ioredis'
import type { Ack } from '../../src/backend.js'
import { UnavailableError, UnsupportedError } from '../../src/errors.js'
import { BULK_SETTING } from './argument-room.js'
import type { RedisConfig } from './redis-config.js'

export interface ServerFacts {
  readonly version: string
  readonly isCluster: boolean
  readonly isReplica: boolean
  readonly master: string
  readonly replicas: readonly string[]
  /** Evicts keys when memory is full. */
  readonly evicts: string | undefined
  /** When its log of writes reaches the disk; `none`: there is no log; `unknown`: it does not say. */
  readonly fsync: 'always' | 'everysec' | 'no' | 'none' | 'unknown'
  /** Bytes that an argument may have; `undefined`: it does not say. */
  readonly bulkBytesMax: number | undefined
}

export async function factsOf(server: Redis): Promise<ServerFacts> {
  const [text, bulk] = await Promise.all([server.info(), settingOf(server, BULK_SETTING)])
  const info = fieldsOf(text)
  return {
    version: info.get('redis_version') ?? '0',
    isCluster: info.get('cluster_enabled') === '1' || info.get('redis_mode') === 'cluster',
    isReplica: info.get('role') === 'slave',
    master: `${info.get('master_host')}:${info.get('master_port')}`,
    replicas: replicasIn(info),
    evicts: evictionIn(info),
    fsync: info.get('aof_enabled') === '1' ? await fsyncOf(server) : 'none',
    bulkBytesMax: bulk === undefined ? undefined : Number(bulk),
  }
}

const fieldsOf = (info: string): Map<string, string> =>
  new Map(
    info
      .split('\r\n')
      .flatMap((line) => (line.includes(':') ? [[line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const] : [])),
  )

/** `slave0:ip=127.0.0.1,port=7001,state=online,…` */
function replicasIn(info: ReadonlyMap<string, string>): string[] {
  const online = [...info].filter(([name, value]) => /^slave\d+$/.test(name) && value.includes('state=online'))
  return online.map(([, value]) => `${/ip=([^,]*)/.exec(value)?.[1]}:${/port=(\d+)/.exec(value)?.[1]}`)
}

function evictionIn(info: ReadonlyMap<string, string>): string | undefined {
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  return policy === 'noeviction' ? undefined : policy
}

/** Only CONFIG knows, which many hosted servers forbid: then nothing is promised. */
async function fsyncOf(server: Redis): Promise<ServerFacts['fsync']> {
  return fsyncIn(await settingOf(server, 'appendfsync'))
}

const fsyncIn = (value: string | undefined): ServerFacts['fsync'] =>
  value === 'always' || value === 'everysec' || value === 'no' ? value : 'unknown'

/** As it is set now. Errors: of the driver. */
export async function fsyncNow(server: Redis): Promise<ServerFacts['fsync']> {
  const words = (await server.config('GET', 'append*')) as string[]
  const settingAt = (name: string): string | undefined => words[words.indexOf(name) + 1]
  return settingAt('appendonly') === 'no' ? 'none' : fsyncIn(settingAt('appendfsync'))
}

async function settingOf(server: Redis, name: string): Promise<string | undefined> {
  try {
    const [, value] = (await server.config('GET', name)) as string[]
    return value
  } catch {
    return undefined
  }
}

/** 6.2: the oldest with all commands that the scripts use. */
const OLDEST = [6, 2] as const
/** Has WAITAOF, which waits for the disk without `appendfsync always`. */
const WITH_WAITAOF = [7, 2] as const

function isSince(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

/** @throws UnsupportedError, UnavailableError: the message names the setting */
export function requireUsable({ url, kind }: RedisConfig, facts: ServerFacts): void {
  if (kind === 'single' && facts.isCluster) throw unsupported(url, 'it belongs to a Cluster; write redis+cluster:// instead of redis://')
  if (kind === 'single' && facts.isReplica)
    throw new UnavailableError(`${url} is a read-only replica; give the url of its master, ${facts.master}`, {
      code: 'ERR_STORE_READ_ONLY',
      url,
    })
  if (facts.evicts)
    throw unsupported(
      url,
      `it would drop keys when its memory is full (maxmemory-policy ${facts.evicts}); CONFIG SET maxmemory-policy noeviction`,
    )
  if (!isSince(facts.version, OLDEST)) throw unsupported(url, `its version ${facts.version} is older than ${OLDEST.join('.')}`)
}

const unsupported = (url: string, why: string): UnsupportedError => new UnsupportedError(`${url} cannot be used: ${why}`, { url })

export const hasWaitAof = ({ version, fsync }: ServerFacts): boolean => isSince(version, WITH_WAITAOF) && fsync !== 'none'

/** The levels that all servers of a store can be held to. */
export function acksOf(servers: readonly ServerFacts[]): Ack[] {
  const acks: Ack[] = ['committed']
  if (servers.every((facts) => facts.fsync === 'always' || hasWaitAof(facts))) acks.push('durable')
  const copies = Math.min(...servers.map(({ replicas }) => replicas.length))
  for (let n = 1; n <= copies; n++) acks.push(`replicated:${n}`)
  return acks
}
