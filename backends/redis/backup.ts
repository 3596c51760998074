/**
 * Copies of what the servers hold, as of one moment. One server forks, and its child has that moment. Masters of a Cluster fork one after the
 * other, and a unit of work over two slots that committed between would be in one copy and not in the other, where nothing could settle it:
 * so they take no writes from before the first fork until after the last, and the copies are what a crash of all programs at that moment
 * would leave. Units that were half way stand there with their intents, and whoever meets those finishes or drops them (docs/commit-protocol.md).
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { UnavailableError } from '../../src/errors.js'
import { fillNewFolder } from '../../src/new-folder.js'
import { isCluster } from './redis-client.js'
import { bare, namedError } from './redis-errors.js'
import type { RedisLink } from './redis-link.js'
import { copyServer, type ServerCopy } from './server-copy.js'
import { withoutWrites } from './write-pause.js'

/** What `backup.json` says of each file. */
interface Part {
  readonly file: string
  readonly server: string
  /** Of a Cluster: ranges of slots as its commands have them, such as `0-5460`. */
  readonly slots?: readonly string[]
}

/**
 * Puts a file for each master into a new folder, and `backup.json` which says what is what.
 * @throws ValidationError (ERR_BACKUP_FOLDER), UnsupportedError (ERR_NO_BACKUP), UnavailableError
 */
export function backUp(link: RedisLink, folder: string): Promise<void> {
  return fillNewFolder(folder, async (half) => {
    const servers = [...link.masters()].sort((a, b) => addressOf(a).localeCompare(addressOf(b)))
    const slots = isCluster(link.client) ? await copyCluster(link, servers, half) : await copyOne(link, servers[0]!, half)
    const parts = servers.map((server, i): Part => {
      const own = slots?.[i]
      return { file: fileOf(server), server: addressOf(server), ...(own && { slots: own }) }
    })
    write(
      join(half, 'backup.json'),
      `${JSON.stringify({ of: link.config.url, made: new Date().toISOString(), servers: parts }, null, 2)}\n`,
    )
  })
}

const addressOf = ({ options }: Redis): string => `${options.host}:${options.port}`
const fileOf = ({ options }: Redis): string => `${`${options.host}`.replace(/[^\w.-]/g, '_')}-${options.port}.rdb`

async function copyOne(link: RedisLink, server: Redis, folder: string): Promise<undefined> {
  await copyOf(link, server, folder).done
}

/** Slots of each server. */
async function copyCluster(link: RedisLink, servers: readonly Redis[], folder: string): Promise<readonly (readonly string[])[]> {
  const { url } = link.config
  const copies: ServerCopy[] = []
  let isGivenUp = false
  try {
    const before = await viewOf(url, servers)
    await withoutWrites(link.config, servers, async () => {
      await requireNoSave(url, servers)
      if (isGivenUp) return
      copies.push(...servers.map((server) => copyOf(link, server, folder)))
      await Promise.all(copies.map(({ begun }) => begun))
      if ((await viewOf(url, servers)).text !== before.text) throw moved(url)
    })
    await Promise.all(copies.map(({ done }) => done))
    return before.slots
  } catch (error) {
    isGivenUp = true
    for (const copy of copies) copy.stop()
    throw namedError(url, error)
  }
}

const copyOf = ({ config }: RedisLink, server: Redis, folder: string): ServerCopy =>
  copyServer(config, { host: server.options.host!, port: server.options.port! }, join(folder, fileOf(server)))

/** A server that saves already would give that save, of an earlier moment. */
async function requireNoSave(url: string, servers: readonly Redis[]): Promise<void> {
  const all = await Promise.all(servers.map(async (server) => [server, await server.info('persistence')] as const))
  const busy = all.find(([, text]) => text.includes('rdb_bgsave_in_progress:1'))
  if (!busy) return
  throw new UnavailableError(
    `${url}: ${addressOf(busy[0])} writes a copy already (BGSAVE, or for a replica); try again when that is done`,
    {
      retryable: true,
    },
  )
}

interface View {
  /** The same as long as all servers agree on who has which slots. */
  readonly text: string
  readonly slots: readonly (readonly string[])[]
}

/** A master that lost its slots to another one may not have heard of it, and would be copied as it was before. */
async function viewOf(url: string, servers: readonly Redis[]): Promise<View> {
  const all = await Promise.all(
    servers.map(async (server) => {
      const lines = String(await server.cluster('NODES').catch((cause: unknown) => Promise.reject(namedError(url, bare(cause)))))
      return lines.trimEnd().split('\n').map(nodeOf)
    }),
  )
  const texts = all.map((nodes) =>
    nodes
      .filter(({ slots }) => slots.length > 0)
      .map(({ id, slots }) => `${id} ${slots.join(' ')}`)
      .sort()
      .join('\n'),
  )
  const own = all.map((nodes) => nodes.find(({ isSelf }) => isSelf))
  const [text = ''] = texts
  const owners = text.split('\n').length
  if (owners !== servers.length || texts.some((other) => other !== text) || own.some((node) => !node || node.isMoving)) throw moved(url)
  return { text, slots: own.map((node) => node!.slots) }
}

interface Node {
  readonly id: string
  readonly isSelf: boolean
  readonly isMoving: boolean
  readonly slots: readonly string[]
}

/** `ID ADDRESS FLAGS MASTER PING PONG EPOCH STATE 0-5460 [93->-ID]`; who moves a slot says so of itself only. */
function nodeOf(line: string): Node {
  const [id = '', , flags = '', , , , , , ...rest] = line.split(' ')
  const slots = rest.filter((one) => !one.startsWith('['))
  return { id, isSelf: flags.includes('myself'), isMoving: slots.length < rest.length, slots }
}

const moved = (url: string): UnavailableError =>
  new UnavailableError(
    `${url}: slots or masters of the Cluster change, so that copies would not be of one moment; try again when it is settled`,
    {
      retryable: true,
    },
  )

function write(file: string, text: string): void {
  const at = openSync(file, 'wx', 0o600)
  try {
    writeSync(at, text)
    fsyncSync(at)
  } finally {
    closeSync(at)
  }
}
