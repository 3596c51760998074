/** Redis servers for tests: processes of ours on this machine's loopback, each in a folder of its own, gone at the end. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from './free-ports.js'
import { installed } from './install.js'

const run = promisify(execFile)

/** Paths of files in PEM form. */
export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const serverOptions = ({ ca, cert, key }: TlsFiles): string[] => [
  ...['--tls-ca-cert-file', ca, '--tls-cert-file', cert, '--tls-key-file', key],
  ...['--tls-auth-clients', 'yes'],
]

/** The server's own certificate is a client's as well. */
const clientOptions = (tls: TlsFiles | undefined): string[] =>
  tls ? ['--tls', '--cacert', tls.ca, '--cert', tls.cert, '--key', tls.key] : []

let missing: { readonly why: string | undefined } | undefined

/** Why no server can be started here; `undefined` when one can. Installs it first where that is possible. */
export function whyNoRedis(): string | undefined {
  missing ??= { why: installed('redis-server', ['redis-server', 'redis-tools']) }
  return missing.why
}

/** Against hanging only: on a machine that does much else a process takes seconds to be there. */
const START_MS = 60_000

const PORT_TRIES = 5
const SLOTS = 16_384

/** Processes that would outlive a test run that is interrupted. */
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export class RedisServer {
  #child: ChildProcess | undefined

  private constructor(
    readonly port: number,
    readonly folder: string,
    readonly options: readonly string[],
    readonly tls?: TlsFiles,
  ) {}

  /**
   * `options` as on the command line of redis-server; its log of writes is on unless they say otherwise. With `tls` it speaks nothing else,
   * and only with who has a certificate.
   */
  static async start(options: readonly string[] = [], port?: number, tls?: TlsFiles): Promise<RedisServer> {
    if (port === undefined) return onFreePorts(1, ([free]) => RedisServer.start(options, free, tls))
    const server = new RedisServer(port, await mkdtemp(join(tmpdir(), 'insitu-redis-')), options, tls)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get url(): string {
    return `${this.tls ? 'rediss' : 'redis'}://127.0.0.1:${this.port}`
  }

  /** Starts it again, on what it left. */
  async start(): Promise<void> {
    const { port, folder, options, tls } = this
    const own = [
      ...(tls ? ['--port', '0', '--tls-port', `${port}`, ...serverOptions(tls)] : ['--port', `${port}`]),
      '--bind',
      '127.0.0.1',
      '--dir',
      folder,
      '--appendonly',
      'yes',
      '--save',
      '',
      '--repl-diskless-sync-delay',
      '0',
    ]
    const child = spawn('redis-server', [...own, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    alive.add(child)
    child.once('exit', () => alive.delete(child))
    await listens(child)
  }

  /** SIGKILL: like a crash of the server, not of the machine. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT')
    await this.kill()
    // A child that writes a copy for a replica outlives its server by a moment, and its file may come while the folder goes.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  /** Waits until a copy of this one has caught up. */
  async hasReplica(): Promise<void> {
    for (const endMs = Date.now() + START_MS; !(await this.cli('INFO', 'replication')).includes('state=online'); await delay(20))
      if (Date.now() > endMs) throw new Error(`the server at port ${this.port} has no copy that has caught up`)
  }

  /** What redis-cli prints, `args` being its own. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['-e', '-p', `${this.port}`, ...clientOptions(this.tls), ...args], { maxBuffer: 2 ** 26 })
    return stdout.trimEnd()
  }

  /** `redis-cli --cluster COMMAND`, by this node. */
  async cluster(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['--cluster', command, `127.0.0.1:${this.port}`, ...args], { maxBuffer: 2 ** 26 })
    return stdout
  }
}

/** Somebody else may take a port between the look at it and its use: then it is another one. */
async function onFreePorts<T>(count: number, start: (ports: readonly number[]) => Promise<T>): Promise<T> {
  for (let nth = 1; ; nth++) {
    try {
      return await start(await freePorts(count))
    } catch (error) {
      if (nth === PORT_TRIES || !/already in use|Failed listening/i.test((error as Error).message)) throw error
    }
  }
}

/** By what it says itself: at its port somebody else may answer, where it cannot listen. */
async function listens(child: ChildProcess): Promise<void> {
  let log = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-2000)))
  for (const endMs = Date.now() + START_MS; !/Ready to accept connections/.test(log); await delay(20)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`redis-server ended at once (${child.signalCode ?? `code ${child.exitCode}`}):\n${log}`)
    if (Date.now() > endMs) throw new Error(`redis-server has not been ready for ${START_MS / 1000} s:\n${log}`)
  }
}

/** A Cluster of three masters, each with as many replicas as asked for. */
export class RedisCluster {
  private constructor(readonly servers: readonly RedisServer[]) {}

  static async start(replicas = 0, options: readonly string[] = [], tls?: TlsFiles): Promise<RedisCluster> {
    return onFreePorts(3 * (1 + replicas), (ports) => RedisCluster.#start(replicas, options, ports, tls))
  }

  static async #start(
    replicas: number,
    options: readonly string[],
    ports: readonly number[],
    tls: TlsFiles | undefined,
  ): Promise<RedisCluster> {
    const own = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000']
    const overTls = tls ? ['--tls-cluster', 'yes', '--tls-replication', 'yes'] : []
    const starts = await Promise.allSettled(ports.map((port) => RedisServer.start([...own, ...overTls, ...options], port, tls)))
    const cluster = new RedisCluster(starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : [])))
    try {
      for (const start of starts) if (start.status === 'rejected') throw start.reason
      await cluster.#join()
      await cluster.#settled(replicas)
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  get url(): string {
    return `${this.servers[0]?.tls ? 'rediss' : 'redis'}+cluster://${this.servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()))
  }

  /**
   * As `redis-cli --cluster create` does it, but for the greetings, which are said until they are heard: a node that has not answered one in
   * time, as where the machine stands still, is forgotten, and that command waits for it for ever.
   */
  async #join(): Promise<void> {
    const { servers } = this
    const masters = servers.slice(0, 3)
    const bound = (nth: number): number => Math.round((SLOTS * nth) / masters.length)
    const slotsOf = (nth: number): string[] => Array.from({ length: bound(nth + 1) - bound(nth) }, (_, i) => `${bound(nth) + i}`)
    await Promise.all(servers.map((server, i) => server.cli('CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`)))
    await Promise.all(masters.map((master, i) => master.cli('CLUSTER', 'ADDSLOTS', ...slotsOf(i))))
    await this.#met()
    const ids = await Promise.all(masters.map((master) => master.cli('CLUSTER', 'MYID')))
    await Promise.all(servers.slice(masters.length).map((copy, i) => copy.cli('CLUSTER', 'REPLICATE', ids[i % ids.length]!)))
  }

  /** Resolves when each node knows all the others. */
  async #met(): Promise<void> {
    const [first] = this.servers
    for (const endMs = Date.now() + START_MS; ; await delay(50)) {
      const seen = await Promise.all(this.servers.map((server) => server.cli('CLUSTER', 'NODES')))
      const areKnown = (text: string): boolean => text.split('\n').length === this.servers.length && !text.includes('handshake')
      if (seen.every(areKnown)) return
      if (Date.now() > endMs) throw new Error(`the nodes of a Cluster do not know each other:\n${seen.join('\n\n')}`)
      for (const { port } of this.servers) if (!seen[0]!.includes(`:${port}@`)) await first!.cli('CLUSTER', 'MEET', '127.0.0.1', `${port}`)
    }
  }

  /** A replica that has not finished its first copy cannot take over. */
  async #settled(replicas: number): Promise<void> {
    for (const endMs = Date.now() + START_MS * 2; ; await delay(50)) {
      const infos = await Promise.all(this.servers.map((server) => server.cli('CLUSTER', 'INFO')))
      const links = await Promise.all(this.servers.map((server) => server.cli('INFO', 'replication')))
      const copies = links.filter((text) => text.includes('role:slave'))
      const areLinked = copies.length === 3 * replicas && copies.every((text) => text.includes('master_link_status:up'))
      if (infos.every((text) => text.includes('cluster_state:ok')) && areLinked) return
      if (Date.now() > endMs) throw new Error(`the Cluster does not settle:\n${infos.join('\n')}\n${links.join('\n')}`)
    }
  }
}
