/** Cassandra servers for tests: real ones, on this machine's loopback, their data in a folder that goes at the end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'cassandra-driver'
import { ARCHIVE, javaArguments, type NodeFiles, tokensOf, whyNoJars, writeNodeFiles } from './cassandra-files.js'
import { freePorts } from './free-ports.js'

/** Nodes of somebody else's that tests may use, as in `10.0.0.1:9042,10.0.0.2`. */
const GIVEN = process.env.CASSANDRA_CONTACT_POINTS

let missing: { readonly why: string | undefined } | undefined

/** Why there is no server to test on; `undefined` when there is one. Installs what is missing where that is possible. */
export function whyNoCassandra(): string | undefined {
  missing ??= { why: GIVEN || hasDocker() ? undefined : whyNoJars() }
  return missing.why
}

/** Why there is no server that tests may kill and restart: those of others they may not. */
export const whyNoOwnCassandra = (): string | undefined => whyNoJars()

const hasDocker = (): boolean => spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 5000 }).status === 0

/** Against hanging only: alone on a machine it takes eight seconds. */
const START_MS = 240_000
const DATA_CENTRE = 'datacenter1'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export interface CassandraOptions {
  readonly nodes?: number
  /** Lines of cassandra.yaml that differ from those of a test server. */
  readonly settings?: Readonly<Record<string, string>>
  /** Where the data lie; a folder of its own that goes at the end when left out. */
  readonly folder?: string
  readonly port?: number
  /** The nodes go on when this process ends; `pids` tells whom to end. */
  readonly detached?: boolean
}

/** A running server or ring, whoever started it. */
export interface CassandraSite {
  readonly contactPoints: readonly string[]
  readonly port: number
  readonly dataCentre: string
  stop(): Promise<void>
}

/** A server to test on: the one that is given, one in Docker, or one of our own. */
export async function cassandraSite(): Promise<CassandraSite> {
  if (GIVEN) return givenSite(GIVEN)
  return hasDocker() ? dockerSite() : CassandraRing.start()
}

async function givenSite(text: string): Promise<CassandraSite> {
  const nodes = text.split(',').map((one) => one.trim().split(':'))
  const port = Number(nodes[0]?.[1] ?? 9042)
  const contactPoints = nodes.map(([host = '']) => host)
  return { contactPoints, port, dataCentre: await dataCentreOf(contactPoints, port), stop: async () => {} }
}

async function dockerSite(): Promise<CassandraSite> {
  const [port = 0] = await freePorts(1)
  const args = ['run', '-d', '--rm', '-p', `127.0.0.1:${port}:9042`, '-e', 'MAX_HEAP_SIZE=512M', '-e', 'HEAP_NEWSIZE=128M', 'cassandra:5.0']
  const done = spawnSync('docker', args, { encoding: 'utf8', timeout: 300_000 })
  if (done.status !== 0) throw new Error(`docker run cassandra failed: ${done.stderr}`)
  const id = done.stdout.trim()
  const stop = async (): Promise<void> => void spawnSync('docker', ['rm', '-f', id])
  try {
    await answers('127.0.0.1', port, 1, () => undefined)
  } catch (error) {
    await stop()
    throw error
  }
  return { contactPoints: ['127.0.0.1'], port, dataCentre: await dataCentreOf(['127.0.0.1'], port), stop }
}

async function dataCentreOf(contactPoints: readonly string[], port: number): Promise<string> {
  return (await asked(contactPoints[0]!, port, 'SELECT data_center FROM system.local'))[0]!.data_center as string
}

/** One query by a client of its own. */
async function asked(host: string, port: number, query: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({
    contactPoints: [host],
    localDataCenter: DATA_CENTRE,
    protocolOptions: { port },
    socketOptions: { connectTimeout: 1000, readTimeout: 5000 },
  })
  client.on('log', () => {})
  try {
    return (await client.execute(query)).rows
  } finally {
    await client.shutdown()
  }
}

/** When a node serves clients and knows all the others. */
async function answers(host: string, port: number, nodes: number, whyDead: () => string | undefined): Promise<void> {
  let last: unknown
  for (const endMs = Date.now() + START_MS; ; await delay(100)) {
    const why = whyDead()
    if (why !== undefined) throw new Error(why)
    if (Date.now() > endMs) throw new Error(`no Cassandra answers at ${host}:${port}`, { cause: last })
    try {
      const peers = await asked(host, port, 'SELECT tokens FROM system.peers')
      if (peers.filter(({ tokens }) => tokens !== null).length >= nodes - 1) return
    } catch (error) {
      if (asksForPassword(error)) return
      last = error
    }
  }
}

/** A server that refuses strangers is there. */
const asksForPassword = (error: unknown): boolean =>
  Object.values((error as { innerErrors?: Record<string, Error> }).innerErrors ?? {}).some(({ name }) => name === 'AuthenticationError')

/** One process of a ring, at an address of its own. */
export class CassandraNode {
  #child: ChildProcess | undefined

  constructor(
    readonly files: NodeFiles,
    readonly isDetached: boolean,
  ) {}

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts it, on what it left if it ran before. */
  start(archive: readonly string[]): void {
    const log = openSync(join(this.files.folder, 'out.log'), 'a')
    const child = spawn('java', javaArguments(this.files, archive), {
      cwd: this.files.folder,
      stdio: ['ignore', log, log],
      detached: this.isDetached,
    })
    closeSync(log)
    this.#child = child
    if (this.isDetached) return child.unref()
    alive.add(child)
    child.once('exit', () => alive.delete(child))
  }

  async answers(nodes: number): Promise<void> {
    await answers(this.files.address, this.files.port, nodes, () => this.#whyDead())
  }

  #whyDead(): string | undefined {
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) return undefined
    return `a Cassandra node ended at once:\n${this.log.slice(-2000)}`
  }

  get log(): string {
    const path = join(this.files.folder, 'out.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** SIGKILL by default: like a crash of the server, not of the machine. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await gone
  }
}

/** A ring of our own: nodes at 127.0.0.1, 127.0.0.2 and so on, all at one port. */
export class CassandraRing implements CassandraSite {
  readonly nodes: CassandraNode[] = []
  readonly dataCentre = DATA_CENTRE

  private constructor(
    readonly port: number,
    readonly storagePort: number,
    readonly folder: string,
    readonly options: CassandraOptions,
  ) {}

  static async start(options: CassandraOptions = {}): Promise<CassandraRing> {
    const why = whyNoJars()
    if (why !== undefined) throw new Error(why)
    await makeArchive()
    return CassandraRing.#start(options, [`-XX:SharedArchiveFile=${ARCHIVE}`])
  }

  static async #start(options: CassandraOptions, archive: readonly string[]): Promise<CassandraRing> {
    const [port = 0, storagePort = 0] = await freePorts(2)
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'insitu-cassandra-')))
    const ring = new CassandraRing(options.port ?? port, storagePort, folder, options)
    try {
      const count = options.nodes ?? 1
      for (let i = 0; i < count; i++) ring.#add(tokensOf(i, count)).start(archive)
      await ring.#settled()
      return ring
    } catch (error) {
      await ring.stop()
      throw error
    }
  }

  /** One node more, which takes its share from the others. */
  async join(): Promise<CassandraNode> {
    const node = this.#add(undefined)
    node.start([`-XX:SharedArchiveFile=${ARCHIVE}`])
    await this.#settled()
    return node
  }

  /** Starts a node that was ended, on its data. */
  async restart(node: CassandraNode): Promise<void> {
    node.start([`-XX:SharedArchiveFile=${ARCHIVE}`])
    await node.answers(this.nodes.length)
  }

  get contactPoints(): readonly string[] {
    return this.nodes.map(({ files }) => files.address)
  }

  get pids(): readonly number[] {
    return this.nodes.flatMap(({ pid }) => pid ?? [])
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()))
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Keeps what every start parses again, for the starts to come. */
  static async archived(into: string): Promise<void> {
    const ring = await CassandraRing.#start({}, [`-XX:ArchiveClassesAtExit=${into}`])
    try {
      await ring.nodes[0]!.end('SIGTERM')
    } finally {
      await ring.stop()
    }
  }

  #add(tokens: readonly bigint[] | undefined): CassandraNode {
    const n = this.nodes.length + 1
    const { port, storagePort, options } = this
    const files: NodeFiles = {
      folder: join(this.folder, `node${n}`),
      address: `127.0.0.${n}`,
      port,
      storagePort,
      tokens,
      settings: options.settings ?? {},
    }
    writeNodeFiles(files)
    const node = new CassandraNode(files, options.detached ?? false)
    this.nodes.push(node)
    return node
  }

  async #settled(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.answers(this.nodes.length)))
  }
}

async function makeArchive(): Promise<void> {
  if (existsSync(ARCHIVE)) return
  const half = `${ARCHIVE}.${process.pid}`
  try {
    await CassandraRing.archived(half)
    await rename(half, ARCHIVE)
  } finally {
    rmSync(half, { force: true })
  }
}
