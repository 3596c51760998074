/** `npm run crash -- --backend nvram|redis|redis+cluster|cassandra [--hosts N] --kills N [--kind KIND] [--seed N] [--flaw FLAW] [--json]` */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeKeyspace } from '../../backends/cassandra/index.js'
import { CassandraRing } from '../servers/cassandra.js'
import { RedisCluster, RedisServer, whyNoRedis } from '../servers/redis.js'
import { crash } from './crash-harness.js'
import { partOf } from './part-of.js'
import { FLAWS, type Flaw, KINDS, type Kind } from './protocol.js'

const USAGE = `usage: npm run crash -- [--backend nvram|redis|redis+cluster|cassandra] [--hosts N] [--kills N] [--kind KIND] [--seed N] [--flaw FLAW] [--json]

SIGKILLs programs that write, at random times and at fail points, opens the store again and reads what they left.
The last line on stdout is {"kills","acknowledged","lost","torn","doubled"}; exit code 1 if anything was lost, torn or doubled.
  --hosts  a program on so many logical hosts, whose agents and workers are killed as well
  --kind   only programs of one kind: ${KINDS.join(', ')}
  --flaw   programs of kind groups do something wrong, which must be found: ${Object.keys(FLAWS).join(', ')}
  --json   nothing else is printed`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      backend: { type: 'string', default: 'nvram' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string' },
      kind: { type: 'string' },
      hosts: { type: 'string' },
      flaw: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const kills = Number(values.kills)
  const hosts = values.hosts === undefined ? undefined : Number(values.hosts)
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed)
  const { backend, flaw, help } = values
  const kinds = isBackend(backend) ? kindsOn(backend, flaw === undefined ? values.kind : FLAWED) : []
  const isFlaw = flaw === undefined || (isOneOf(FLAWS, flaw) && hosts === undefined)
  const isCounted = [kills, seed + 1, hosts ?? 1].every((count) => Number.isInteger(count) && count > 0)
  if (help || kinds.length === 0 || !isBackend(backend) || !isFlaw || !isCounted) {
    process.stderr.write(`${USAGE}\n`)
    return help ? 0 : 2
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  if (!values.json) say(`seed ${seed}`)
  const place: Place = await PLACES[backend].start()
  try {
    const { url } = place
    const alone = { kinds, ...(place.pace !== undefined && { pace: place.pace }), ...(flaw !== undefined && { flaw: flaw as Flaw }) }
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

/** The kind of programs that can do something wrong on purpose. */
const FLAWED = 'groups'

interface Place {
  readonly url: string
  /** How much longer a step takes than on a file. */
  readonly pace?: number
  stop(): Promise<void>
}

interface Backend {
  /** Whether groups can be sent to the backend itself, in one piece. */
  readonly takesGroups: boolean
  start(): Promise<Place>
}

/** Where programs write, on data of their own. */
const PLACES = {
  nvram: {
    takesGroups: true,
    async start() {
      const folder = await mkdtemp(join(tmpdir(), 'insitu-crash-'))
      return { url: `nvram:${folder}`, stop: () => rm(folder, { recursive: true, force: true }) }
    },
  },
  redis: {
    takesGroups: true,
    async start() {
      requireRedis()
      const server = await RedisServer.start()
      return { url: `${server.url}?namespace=crash`, stop: () => server.stop() }
    },
  },
  'redis+cluster': {
    takesGroups: false, // only within a slot
    async start() {
      requireRedis()
      const cluster = await RedisCluster.start()
      return { url: `${cluster.url}?namespace=crash`, stop: () => cluster.stop() }
    },
  },
  cassandra: {
    takesGroups: false,
    async start() {
      const ring = await CassandraRing.start()
      const url = `cassandra://127.0.0.1:${ring.port}/crash?dc=${ring.dataCentre}`
      for (const one of [url, partOf(url, 'bank-a'), partOf(url, 'bank-b')]) await makeKeyspace(one, 1)
      return { url, pace: 4, stop: () => ring.stop() }
    },
  },
} satisfies Readonly<Record<string, Backend>>

const isOneOf = <T extends object>(all: T, name: string): name is string & keyof T => Object.hasOwn(all, name)

const isBackend = (name: string): name is keyof typeof PLACES => isOneOf(PLACES, name)

/** The kinds of programs that were asked for and that a backend takes: with none nothing would be killed, and nothing found. */
const kindsOn = (backend: keyof typeof PLACES, asked: string | undefined): readonly Kind[] =>
  KINDS.filter((kind) => (asked === undefined || asked === kind) && (kind !== 'groups' || PLACES[backend].takesGroups))

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
