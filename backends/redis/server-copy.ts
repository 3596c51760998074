/** One copy of what a server holds, by redis-cli: the server takes it for a replica, and sends what it had when it forked. */
import { spawn } from 'node:child_process'
import { chmodSync, closeSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { CorruptError, type InsituError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import { environmentOf, type RedisConfig } from './redis-config.js'
import { namedError } from './redis-errors.js'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ServerCopy {
  /** The server has forked, so that the moment of the copy is over. */
  readonly begun: Promise<void>
  /** The file is whole and on the disk. */
  readonly done: Promise<void>
  stop(): void
}

const SAID_MAX = 4000

/** @throws (by both promises) UnsupportedError (ERR_NO_BACKUP): there is no redis-cli that can; UnavailableError */
export function copyServer(config: RedisConfig, address: Address, file: string): ServerCopy {
  const child = spawn('redis-cli', argumentsOf(config, address, file), { stdio: ['ignore', 'ignore', 'pipe'], env: environmentOf(config) })
  let said = ''
  let begin = (): void => {}
  const done = new Promise<void>((resolved, reject) => {
    child.once('error', (error) => reject(noTool(config, error)))
    child.once('close', (code) => (code === 0 ? resolved() : reject(failed(config, address, said))))
  }).then(() => finish(file))
  const begun = new Promise<void>((resolved) => {
    begin = resolved
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_MAX)
    if (/SYNC sent to master, writing/.test(said)) begin()
  })
  const either = Promise.race([begun, done])
  for (const one of [either, done]) one.catch(() => {}) // who waits for one of them alone is told by it
  return { begun: either, done, stop: () => void child.kill() }
}

function argumentsOf({ username, tls }: RedisConfig, { host, port }: Address, file: string): string[] {
  const { caFile, certFile, keyFile, servername } = tls ?? {}
  const options = {
    '-h': host,
    '-p': `${port}`,
    '--user': username,
    '--cacert': caFile,
    '--cert': certFile,
    '--key': keyFile,
    '--sni': servername,
  }
  const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
  return [...(tls ? ['--tls'] : []), ...given, '--rdb', resolve(file)]
}

const HEAD = Buffer.from('REDIS')
/** What says that the data are over, and the checksum behind it. */
const END = 0xff
const CHECKSUM_BYTES = 8

function finish(file: string): void {
  chmodSync(file, 0o600)
  const at = openSync(file, 'r+')
  try {
    const head = Buffer.alloc(HEAD.length)
    const end = Buffer.alloc(1)
    readSync(at, head, 0, head.length, 0)
    readSync(at, end, 0, 1, Math.max(0, fstatSync(at).size - CHECKSUM_BYTES - 1))
    if (!head.equals(HEAD) || end[0] !== END) throw new CorruptError(`The copy ${file} is not whole; make another one.`, { file })
    fsyncSync(at)
  } finally {
    closeSync(at)
  }
}

function noTool({ url }: RedisConfig, cause: Error): InsituError {
  const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
  if (!isMissing) return new UnavailableError(`${url}: redis-cli cannot be started: ${cause.message}`, { cause })
  return new UnsupportedError(
    `A copy of ${url} is made by redis-cli, which is not on the PATH: install it (apt-get install redis-tools), or run \`redis-cli --rdb FILE\` where it is`,
    { code: 'ERR_NO_BACKUP', url },
  )
}

function failed(config: RedisConfig, { host, port }: Address, said: string): InsituError {
  const { url, tls } = config
  if (tls && /Unrecognized option/.test(said))
    return new UnsupportedError(`${url}: this redis-cli was built without TLS: install one that has it`, { code: 'ERR_NO_BACKUP', url })
  const last = said.trimEnd().split('\n').at(-1) ?? ''
  const reason = last.replace(/^SYNC with master failed: -/, '')
  // Only the rules of an ACL have a fix of their own.
  if (/^NO(?:PERM|AUTH)\b/.test(reason)) return namedError(url, new Error(reason))
  return new UnavailableError(`${url}: redis-cli could not copy ${host}:${port}: ${reason || 'it said nothing'}`, { retryable: true })
}
