import { join } from 'node:path'
import { Command } from 'commander'
import { UnsupportedError } from '../../src/errors.js'
import { withoutSecrets } from '../../src/url-secrets.js'
import { filesOf, folderOf, hostsIn, requireFiles } from '../hosts/hosts-folder.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { EXIT } from './exit-codes.js'
import { complain, goOnUnheard, put, say } from './output.js'

interface FsckCommandOptions extends CommonOptions {
  readonly salvage?: string
}

export const fsckCommand = (): Command =>
  commonOptions(new Command('fsck'))
    .description('check a file, or what stands in Redis or Cassandra, for damage; name it, and save the rest of a file')
    .option('--salvage <folder>', 'make a new store there of everything that can be read')
    .addHelpText(
      'after',
      `
Changes nothing in the store that it checks; nobody may write meanwhile. Lines: page, record, index or reader for damage; reference for
what leads nowhere, which is no damage of the file.

Exit codes: 0 sound, 1 damaged (salvaged or not), 3 it cannot be checked.

Examples:
  $ insitu fsck
  $ insitu fsck --storage nvram:./data --salvage ./rescued
  $ insitu fsck --storage nvram:./on-three-hosts      each of its files`,
    )
    .action(async (_: unknown, command: Command) => check(optionsOf(command)))

async function check({ storage, json, salvage }: FsckCommandOptions): Promise<void> {
  const { configuredStorage } = await import('../connect.js')
  const url = storage ?? (await configuredStorage())
  if (/^rediss?(?:\+cluster)?:/.test(url)) return checkServer((await import('insitu/backends/redis')).fsck, url, json, salvage)
  if (url.startsWith('cassandra:')) return checkServer((await import('insitu/backends/cassandra')).fsck, url, json, salvage)
  if (!url.startsWith('nvram:'))
    throw new UnsupportedError(`${withoutSecrets(url)} is no store that insitu checks: it checks nvram:, redis: and cassandra: stores`, {
      code: 'ERR_NO_FSCK',
    })
  if (salvage !== undefined) goOnUnheard()
  const { fsck } = await import('insitu/backends/nvram')
  const folder = folderOf(url)
  const hosts = folder === undefined ? undefined : hostsIn(folder)
  if (hosts !== undefined) return checkHosts(fsck, { folder: folder!, hosts, json, salvage })
  const { damaged, dangling, records, pages, salvaged } = await fsck(url, {
    ...(salvage !== undefined && { salvageTo: salvage }),
    onFinding: ({ kind, what, how }) => put(json, { kind, what, how }, [kind, what, how]),
  })
  if (json) put(true, { summary: { damaged, dangling, pages, records, salvaged: salvaged ?? null } }, [])
  if (dangling > 0) say(`${dangling} things lead nowhere: what they lead to was deleted, or is damaged`)
  if (salvaged) say(`${salvage} holds ${countsOf(salvaged)}`)
  if (damaged === 0) return say(`${url} is sound: ${pages} pages, ${countsOf(records)}`)
  complain(
    `${damaged} things in ${url} are damaged: restore it from a backup${salvage === undefined ? ', or save the rest with --salvage FOLDER' : ''}`,
  )
  process.exitCode = EXIT.failed
}

interface OnHosts {
  readonly folder: string
  readonly hosts: number
  readonly json: boolean | undefined
  readonly salvage: string | undefined
}

type FileFsck = typeof import('insitu/backends/nvram').fsck

/** Each file by itself. What leads from one to another looks as if it led nowhere, and is not told. */
async function checkHosts(fsck: FileFsck, { folder, hosts, json, salvage }: OnHosts): Promise<void> {
  if (salvage !== undefined)
    throw new UnsupportedError(`--salvage saves one file: --storage nvram:${join(folder, 'host-1')}, and so on`, { code: 'ERR_NO_FSCK' })
  requireFiles(folder)
  const sum = { damaged: 0, pages: 0, records: {} as Record<string, number> }
  for (const file of filesOf(hosts)) {
    const { damaged, pages, records } = await fsck(`nvram:${join(folder, file)}`, {
      onFinding: ({ kind, what, how }) => kind !== 'reference' && put(json, { file, kind, what, how }, [file, kind, what, how]),
    })
    sum.damaged += damaged
    sum.pages += pages
    for (const [name, count] of Object.entries(records)) sum.records[name] = (sum.records[name] ?? 0) + count
  }
  if (json) put(true, { summary: { ...sum, salvaged: null } }, [])
  if (sum.damaged === 0) return say(`nvram:${folder} is sound: ${hosts + 1} files, ${sum.pages} pages, ${countsOf(sum.records)}`)
  complain(`${sum.damaged} things in ${folder} are damaged: restore it from a backup, or save the rest of a file with --salvage`)
  process.exitCode = EXIT.failed
}

interface ServerFsckReport {
  readonly damaged: number
  readonly dangling: number
  readonly records: { readonly objects: number; readonly names: number; readonly rows: number }
}

type ServerFsck = (
  url: string,
  options: { readonly onFinding: (finding: { readonly kind: string; readonly what: string; readonly how: string }) => void },
) => Promise<ServerFsckReport>

/** A server checks its own files; here is looked at what stands in it. */
async function checkServer(fsck: ServerFsck, url: string, json: boolean | undefined, salvage: string | undefined): Promise<void> {
  if (salvage !== undefined)
    throw new UnsupportedError('--salvage makes a new file of a damaged one; a server has its own log of writes', {
      code: 'ERR_NO_FSCK',
    })
  const { damaged, dangling, records } = await fsck(url, {
    onFinding: ({ kind, what, how }) => put(json, { kind, what, how }, [kind, what, how]),
  })
  if (json) put(true, { summary: { damaged, dangling, records } }, [])
  if (dangling > 0) say(`${dangling} things lead nowhere: what they lead to was deleted, or is damaged`)
  if (damaged === 0) return say(`the store is sound: ${countsOf(records)}`)
  complain(`${damaged} things are damaged: restore the server from its backup`)
  process.exitCode = EXIT.failed
}

const countsOf = ({
  objects = 0,
  names = 0,
  rows = 0,
}: {
  readonly objects?: number
  readonly names?: number
  readonly rows?: number
}): string => `${objects} objects, ${names} aliases, ${rows} rows`
