/** `npm run cassandra -- start [--nodes N] | stop` */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Client } from 'cassandra-driver'
import { CassandraRing } from './cassandra.js'

const USAGE = `usage: npm run cassandra -- start [--nodes N] [--port PORT] | stop

Starts a real Cassandra 5 on this machine's loopback (nodes at 127.0.0.1, 127.0.0.2, …), with a keyspace called insitu, and prints
the url of a store on it. It goes on when the command ends. \`stop\` ends it and removes its data: it is for trying and testing.
  --nodes   how many nodes, 1 to 5 (default 1; each takes 600 MB of memory)
  --port    for clients (default 9042)`

const FOLDER = join(tmpdir(), `insitu-cassandra-${process.getuid?.() ?? 'user'}`)
const STATE = join(FOLDER, 'state.json')

interface State {
  readonly pids: readonly number[]
  readonly url: string
}

async function start(nodes: number, port: number): Promise<number> {
  const running = state()
  if (running?.pids.some(isCassandra)) {
    process.stderr.write('it runs already; npm run cassandra -- stop ends it\n')
    process.stdout.write(`${running.url}\n`)
    return 0
  }
  await rm(FOLDER, { recursive: true, force: true })
  await mkdir(FOLDER, { recursive: true, mode: 0o700 })
  const began = Date.now()
  const ring = await CassandraRing.start({ nodes, port, folder: join(FOLDER, 'nodes'), detached: true })
  const url = `cassandra://${ring.contactPoints.join(',')}:${port}/insitu?dc=${ring.dataCentre}`
  await writeFile(STATE, JSON.stringify({ pids: ring.pids, url } satisfies State))
  await makeKeyspace(ring, nodes)
  process.stderr.write(`${nodes} node${nodes > 1 ? 's' : ''} after ${((Date.now() - began) / 1000).toFixed(1)} s; data in ${FOLDER}\n`)
  process.stdout.write(`${url}\n`)
  return 0
}

async function makeKeyspace(ring: CassandraRing, nodes: number): Promise<void> {
  const { contactPoints, port, dataCentre } = ring
  const client = new Client({ contactPoints: [...contactPoints], localDataCenter: dataCentre, protocolOptions: { port } })
  const replication = `{'class': 'NetworkTopologyStrategy', '${dataCentre}': ${Math.min(nodes, 3)}}`
  await client.execute(`CREATE KEYSPACE IF NOT EXISTS insitu WITH replication = ${replication}`)
  await client.shutdown()
}

async function stop(): Promise<number> {
  const pids = (state()?.pids ?? []).filter(isCassandra)
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await rm(FOLDER, { recursive: true, force: true })
  process.stderr.write(pids.length > 0 ? 'ended, data removed\n' : 'it did not run\n')
  return 0
}

const state = (): State | undefined => (existsSync(STATE) ? (JSON.parse(readFileSync(STATE, 'utf8')) as State) : undefined)

/** Ids of processes are used again: one that is not ours is not to be ended. */
function isCassandra(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(FOLDER)
  } catch {
    return false
  }
}

async function main(): Promise<number> {
  const given = wanted()
  if (typeof given === 'string') {
    process.stderr.write(`${given}${USAGE}\n`)
    return 2
  }
  const { values, positionals } = given
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const [nodes, port] = [Number(values.nodes), Number(values.port)]
  const [command, ...more] = positionals
  if (command === 'stop' && more.length === 0) return stop()
  const isPossible = Number.isInteger(nodes) && nodes >= 1 && nodes <= 5 && Number.isInteger(port) && port >= 1 && port <= 65_535
  if (command === 'start' && more.length === 0 && isPossible) return start(nodes, port)
  process.stderr.write(`${USAGE}\n`)
  return 2
}

/** What the command line says, or what is wrong with it. */
function wanted(): { readonly values: { nodes: string; port: string; help?: boolean }; readonly positionals: readonly string[] } | string {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        nodes: { type: 'string', default: '1' },
        port: { type: 'string', default: '9042' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return `${(error as Error).message}\n`
  }
}

try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(3)
}
