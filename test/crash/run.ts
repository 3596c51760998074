/** `npm run crash -- --backend nvram|redis|redis+cluster|cassandra [--hosts N] --kills N [--seed N] [--json]` */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeKeyspace } from '../../backends/cassandra/index.js'
import { CassandraRing } from '../servers/cassandra.js'
import { RedisCluster, RedisServer, whyNoRedis } from '../servers/redis.js'
import { crash } from './crash-harness.js'
import { partOf } from './part-of.js'
import { KINDS, type Kind } from './protocol.js'

const USAGE = `usage: npm run crash -- [--backend nvram|redis|redis+cluster|cassandra] [--hosts N] [--kills N] [--kind KIND] [--seed N] [--json]

SIGKILLs programs that write, at random times and at fail points, opens the store again and reads what they left.
The last line on stdout is {"kills","acknowledged","lost","torn","doubled"}; exit code 1 if anything was lost, torn or doubled.
  --hosts  a program on so many logical hosts, whose agents and workers are killed as well
  --kind   only programs of one kind: ${KINDS.join(', ')}
  --json   nothing else is printed`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      backend: { type: 'string', default: 'nvram' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string' },
      kind: { type: 'string' },
      hosts: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const kills = Number(values.kills)
  const hosts = values.hosts === undefined ? undefined : Number(values.hosts)
  const kinds = KINDS.filter((kind) => values.kind === undefined || values.kind === kind)
  if (values.help || kinds.length === 0 || !isBackend(values.backend) || !Number.isInteger(kills) || kills < 1 || !isCount(hosts)) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed)
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  if (!values.json) say(`seed ${seed}`)
  const place = await PLACES[values.backend]()
  try {
    const { url } = place
    const alone = { kinds: kinds.filter((kind) => place.takes(kind)), ...(place.pace !== undefined && { pace: place.pace }) }
    const what = hosts === undefined ? alone : { hosts, pace: HOSTS_PACE }
    const totals = await crash({ url, kills, seed, ...what, ...(!values.json && { onLife: say }) })
    const { acknowledged, lost, torn, doubled } = totals
    process.stdout.write(`${JSON.stringify({ kills: totals.kills, acknowledged, lost, torn, doubled })}\n`)
    return lost + torn + doubled > 0 ? 1 : 0
  } finally {
    await place.stop()
  }
}

/** Logical hosts are processes, which take longer to start. */
const HOSTS_PACE = 4

const isCount = (hosts: number | undefined): boolean => hosts === undefined || (Number.isInteger(hosts) && hosts > 0)

interface Place {
  readonly url: string
  takes(kind: Kind): boolean
  /** How much longer a step takes than on a file. */
  readonly pace?: number
  stop(): Promise<void>
}

/** Where programs write, on data of their own. */
const PLACES = {
  async nvram(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-crash-'))
    return { url: `nvram:${folder}`, takes: () => true, stop: () => rm(folder, { recursive: true, force: true }) }
  },
  async redis(): Promise<Place> {
    requireRedis()
    const server = await RedisServer.start()
    return { url: `${server.url}?namespace=crash`, takes: () => true, stop: () => server.stop() }
  },
  async 'redis+cluster'(): Promise<Place> {
    requireRedis()
    const cluster = await RedisCluster.start()
    // Groups are sent to the backend itself, in one piece, which a Cluster takes only within a slot.
    return { url: `${cluster.url}?namespace=crash`, takes: (kind) => kind !== 'groups', stop: () => cluster.stop() }
  },
  async cassandra(): Promise<Place> {
    const ring = await CassandraRing.start()
    const url = `cassandra://127.0.0.1:${ring.port}/crash?dc=${ring.dataCentre}`
    for (const one of [url, partOf(url, 'bank-a'), partOf(url, 'bank-b')]) await makeKeyspace(one, 1)
    return { url, takes: (kind) => kind !== 'groups', pace: 4, stop: () => ring.stop() }
  },
}

function isBackend(name: string): name is keyof typeof PLACES {
  return Object.hasOwn(PLACES, name)
}

function requireRedis(): void {
  const why = whyNoRedis()
  if (why !== undefined) throw new Error(why)
}

try {
  process.exitCode = await main()
} catch (error) {
  const isUsage = String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')
  process.stderr.write(isUsage ? `${(error as Error).message}\n${USAGE}\n` : `${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = isUsage ? 2 : 3
}
