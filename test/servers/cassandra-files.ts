/**
 * What a Cassandra server of our own is made of: its jars, fetched once by Maven into a cache, and the files of one node. A server from
 * Docker needs none of this, and one that the environment names even less.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { installed } from './install.js'

const VERSION = '5.0.8'
const FETCH_MS = 300_000

/** Shared by all checkouts of this user; a change of the files below needs a new name. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'insitu', `cassandra-${VERSION}-1`)
export const ARCHIVE = join(CACHE, 'classes.jsa')

/** Why no server of our own can be made; `undefined` when one can. Installs and fetches first what is missing. */
export function whyNoJars(): string | undefined {
  const why = whyNoJava()
  if (why !== undefined) return why
  if (existsSync(join(CACHE, 'lib'))) return undefined
  return installed('mvn', ['maven']) ?? fetchJars()
}

function whyNoJava(): string | undefined {
  return javaVersion() === 17 || (installed('java', ['openjdk-17-jre-headless']) === undefined && javaVersion() === 17)
    ? undefined
    : 'there is no JDK 17, which Cassandra 5 needs; on Debian: apt-get install openjdk-17-jre-headless'
}

function javaVersion(): number | undefined {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const major = /version "(\d+)/.exec(stderr ?? '')?.[1]
  return major === undefined ? undefined : Number(major)
}

const POM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.test</groupId><artifactId>cassandra-home</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>${VERSION}</version>
  </dependency></dependencies>
</project>
`
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'

/** Into a folder of its own, which gets its name when all is there: two runs at once, or one that is cut off, leave nothing half. */
function fetchJars(): string | undefined {
  const half = `${CACHE}.${process.pid}`
  mkdirSync(half, { recursive: true })
  writeFileSync(join(half, 'pom.xml'), POM)
  const args = ['-B', '-q', COPY, `-DoutputDirectory=${join(half, 'lib')}`, '-DincludeScope=runtime']
  const done = spawnSync('mvn', args, { cwd: half, encoding: 'utf8', timeout: FETCH_MS })
  if (done.status === 0) {
    writeFileSync(join(half, 'jvm.opts'), jvmOptions())
    writeFileSync(join(half, 'logback.xml'), LOGBACK)
    moveTo(half, CACHE)
    return undefined
  }
  rmSync(half, { recursive: true, force: true })
  return `the jars of Cassandra ${VERSION} cannot be fetched by Maven: ${lastLine(`${done.stdout}\n${done.stderr}`)}`
}

function moveTo(half: string, whole: string): void {
  try {
    renameSync(half, whole)
  } catch {
    rmSync(half, { recursive: true, force: true }) // another run was first
  }
}

const lastLine = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.includes('ERROR'))[0]
    ?.slice(0, 200) ?? 'is the network there?'

const OPENED: Readonly<Record<string, readonly string[]>> = {
  'add-exports': [
    'java.base/jdk.internal.misc',
    'java.base/java.lang.ref',
    'java.management.rmi/com.sun.jmx.remote.internal.rmi',
    'java.rmi/sun.rmi.registry',
    'java.rmi/sun.rmi.server',
    'java.sql/java.sql',
    'jdk.unsupported/sun.misc',
    'jdk.compiler/com.sun.tools.javac.file',
    'jdk.attach/sun.tools.attach',
  ],
  'add-opens': [
    ...['io', 'lang', 'lang.module', 'lang.reflect', 'nio', 'util', 'util.concurrent', 'util.concurrent.atomic'].map(
      (name) => `java.base/java.${name}`,
    ),
    ...['loader', 'math', 'module', 'ref', 'reflect', 'util.jar'].map((name) => `java.base/jdk.internal.${name}`),
    'java.base/sun.nio.ch',
    'jdk.compiler/com.sun.tools.javac',
    'jdk.management/com.sun.management.internal',
  ],
}

/** JDK 17 keeps its own parts to itself unless told otherwise. */
function jvmOptions(): string {
  const plain = [
    '-Xss512k',
    '-XX:MaxDirectMemorySize=256m',
    '-XX:+PerfDisableSharedMem',
    '-XX:+ExitOnOutOfMemoryError',
    '-Djava.net.preferIPv4Stack=true',
    '-Djdk.attach.allowAttachSelf=true',
    '-Dio.netty.tryReflectionSetAccessible=true',
    '-Dio.netty.allocator.maxOrder=11',
  ]
  const opened = Object.entries(OPENED).flatMap(([flag, names]) => names.map((name) => `--${flag}=${name}=ALL-UNNAMED`))
  return `${[...plain, ...opened].join('\n')}\n`
}

/** Without a file of its own logback prints everything. */
const LOGBACK = `<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%-5level %date{HH:mm:ss,SSS} %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="STDOUT"/></root>
  <logger name="org.apache.cassandra.service.CassandraDaemon" level="INFO"/>
  <logger name="org.apache.cassandra.transport" level="INFO"/>
</configuration>
`

export interface NodeFiles {
  /** Of the node, with its data, log and configuration. */
  readonly folder: string
  readonly address: string
  readonly port: number
  readonly storagePort: number
  /** Explicit ones let nodes start at once; without, the node joins a ring that runs. */
  readonly tokens: readonly bigint[] | undefined
  readonly settings: Readonly<Record<string, string>>
}

const TOKENS_PER_NODE = 4

/** Evenly over the ring, in turns. */
export function tokensOf(node: number, nodes: number): bigint[] {
  const all = BigInt(nodes * TOKENS_PER_NODE)
  const step = 2n ** 64n / all
  return Array.from({ length: TOKENS_PER_NODE }, (_, i) => -(2n ** 63n) + BigInt(i * nodes + node) * step + step / 2n)
}

export function writeNodeFiles({ folder, address, port, storagePort, tokens, settings }: NodeFiles): void {
  for (const name of ['tmp', 'triggers']) mkdirSync(join(folder, name), { recursive: true })
  const seeds = `[ { class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [ { seeds: "127.0.0.1:${storagePort}" } ] } ]`
  const all: Record<string, string | number | boolean> = {
    cluster_name: 'insitu-test',
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    endpoint_snitch: 'SimpleSnitch',
    seed_provider: seeds,
    listen_address: address,
    rpc_address: address,
    storage_port: storagePort,
    native_transport_port: port,
    start_native_transport: true,
    num_tokens: TOKENS_PER_NODE,
    ...(tokens && { initial_token: tokens.join(',') }),
    auto_bootstrap: tokens === undefined,
    commitlog_sync: 'periodic',
    commitlog_sync_period: '10000ms',
    commitlog_total_space: '128MiB',
    memtable_heap_space: '64MiB',
    memtable_offheap_space: '64MiB',
    file_cache_size: '32MiB',
    networking_cache_size: '16MiB',
    key_cache_size: '0MiB',
    counter_cache_size: '0MiB',
    concurrent_reads: 8,
    concurrent_writes: 8,
    concurrent_counter_writes: 8,
    concurrent_compactors: 1,
    hinted_handoff_enabled: false,
    auto_snapshot: false,
    authenticator: 'AllowAllAuthenticator',
    authorizer: 'AllowAllAuthorizer',
    batch_size_warn_threshold: '64KiB',
    batch_size_fail_threshold: '1024KiB',
    ...settings,
  }
  // A setting that is taken out by one that excludes it.
  if (settings.commitlog_sync !== undefined && settings.commitlog_sync !== 'periodic') delete all.commitlog_sync_period
  const yaml = Object.entries(all).map(([key, value]) => `${key}: ${value}\n`)
  writeFileSync(join(folder, 'cassandra.yaml'), yaml.join(''))
}

/** Arguments of `java` for a node; `archive`: how classes that are parsed already are used, or kept. */
export function javaArguments({ folder, tokens }: NodeFiles, archive: readonly string[]): string[] {
  const jars = readdirSync(join(CACHE, 'lib'))
    .sort()
    .map((name) => join(CACHE, 'lib', name))
  return [
    '-Xms256m',
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    ...archive,
    `@${join(CACHE, 'jvm.opts')}`,
    '-cp',
    jars.join(':'),
    `-Dcassandra.config=file://${folder}/cassandra.yaml`,
    `-Dcassandra.storagedir=${folder}`,
    `-Dcassandra.triggers_dir=${folder}/triggers`,
    '-Dcassandra-foreground=yes',
    `-Dlogback.configurationFile=${join(CACHE, 'logback.xml')}`,
    `-Djna.tmpdir=${folder}/tmp`,
    `-Djava.io.tmpdir=${folder}/tmp`,
    '-Dcassandra.skip_wait_for_gossip_to_settle=0',
    // A node that comes up before its seed gives up after this long; one that joins waits this long for the ring to hear of it, and to hear
    // of all tables itself: it takes over no rows of one that it does not know.
    `-Dcassandra.ring_delay_ms=${tokens ? 30_000 : 8000}`,
    '-Dcassandra.available_processors=2',
    '-Dcassandra.shutdown_announce_in_ms=0',
    'org.apache.cassandra.service.CassandraDaemon',
  ]
}
