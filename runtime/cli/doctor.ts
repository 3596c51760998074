import { accessSync, constants, existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { withoutSecrets } from '../../src/url-secrets.js'
import { folderOf } from '../hosts/hosts-folder.js'
import { stripsTypes } from '../import-module.js'
import { type CommonOptions, commonOptions, optionsOf } from './cli-config.js'
import { colorsOn } from './colors-config.js'
import { EXIT } from './exit-codes.js'
import { bytes, printable, put, say } from './output.js'

/** `optional`: something works less well or not at all without it, and nothing else does. */
type Health = 'ok' | 'optional' | 'missing'

interface Finding {
  readonly what: string
  readonly health: Health
  readonly found: string
  /** The command or change that mends it. */
  readonly fix?: string
}

export const doctorCommand = (): Command =>
  commonOptions(new Command('doctor'))
    .description('what is missing on this machine, and the command that fixes it')
    .addHelpText(
      'after',
      '\nMakes nothing: a store that does not exist yet is not opened.\n\nExamples:\n  $ insitu doctor\n  $ insitu doctor --storage nvram:/mnt/data --json',
    )
    .action(async (_: unknown, command: Command) => doctor(optionsOf(command)))

async function doctor({ storage, json }: CommonOptions): Promise<void> {
  const { configuredStorage } = await import('../connect.js')
  const findings = [node(), typescript(), fileBackend(), ...(await store(storage ?? (await configuredStorage()))), ...servers()]
  for (const finding of findings) {
    if (json) put(true, { ...finding }, [])
    else print(finding)
  }
  if (findings.some(({ what, health }) => what === STORE && health === 'missing')) process.exitCode = EXIT.unreachable
  else if (findings.some(({ health }) => health === 'missing')) process.exitCode = EXIT.failed
  else if (!json) say('everything that is needed is there')
}

const colors = colorsOn(process.stdout)
const SIGNS: Readonly<Record<Health, string>> = {
  ok: colors.green('ok     '),
  optional: colors.yellow('without'),
  missing: colors.red('missing'),
}

function print({ what, health, found, fix }: Finding): void {
  const more = fix === undefined ? '' : `\n${' '.repeat(23)}fix: ${printable(fix)}`
  process.stdout.write(`${SIGNS[health]}  ${what.padEnd(12)}  ${printable(found)}${more}\n`)
}

const NODE_MIN = [20, 19] as const

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const enough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])
  const base = { what: 'node', found: `${process.version} (${NODE_MIN.join('.')} or newer is needed)` }
  return enough ? { ...base, health: 'ok' } : { ...base, health: 'missing', fix: 'install Node 22 or 24 from https://nodejs.org' }
}

function typescript(): Finding {
  if (resolvable('tsx/esm/api')) return { what: 'typescript', health: 'ok', found: 'tsx runs .ts programs, decorators included' }
  const found = stripsTypes() ? 'this Node runs .ts programs without decorators' : 'this Node runs compiled programs only'
  return { what: 'typescript', health: 'optional', found, fix: 'npm i -D tsx' }
}

/** From the program's folder, else from insitu's own. */
function resolvable(name: string): boolean {
  return [resolve('package.json'), import.meta.url].some((from) => {
    try {
      createRequire(from).resolve(name)
      return true
    } catch {
      return false
    }
  })
}

function fileBackend(): Finding {
  const required = createRequire(import.meta.url)
  try {
    required('lmdb')
    return { what: 'nvram', health: 'ok', found: 'lmdb is there with its binary for this platform' }
  } catch (error) {
    const found = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
    return { what: 'nvram', health: 'missing', found, fix: 'npm ci --include=optional (the binary is an optional package)' }
  }
}

const STORE = 'store'

async function store(url: string): Promise<readonly Finding[]> {
  const { folderToBe } = await import('./open-store.js')
  let folder: string | undefined
  try {
    folder = await folderToBe(url)
  } catch (error) {
    return [cannotBeOpened(url, error)]
  }
  if (folder !== undefined) return [notYet(url, folder), await space(existingAbove(folder))]
  const finding = await opened(url)
  const files = folderOf(url.split('?', 1)[0]!)
  if (files !== undefined) return [finding, await space(existingAbove(files))]
  return finding.health === 'ok' && /^rediss?(?:\+cluster)?:/.test(url) ? [finding, await aggregates(url)] : [finding]
}

async function aggregates(url: string): Promise<Finding> {
  const what = 'aggregates'
  const { functionsRefusedAt } = await import('insitu/backends/redis')
  const refused = await functionsRefusedAt(url).catch((error: Error) => error)
  if (refused instanceof Error) return { what, health: 'optional', found: `whether they are Functions cannot be asked: ${refused.message}` }
  if (refused.length === 0) return { what, health: 'ok', found: 'they run in the store, as Functions' }
  return {
    what,
    health: 'optional',
    found: `they run in the store as scripts, not as Functions: the server or the user's ACL forbids ${refused.join(', ')}`,
    fix: 'Redis 7 or newer, and ACL SETUSER USER +fcall_ro +function|load; who may load Functions may replace those of others',
  }
}

function notYet(url: string, path: string): Finding {
  const above = existingAbove(path)
  try {
    accessSync(above, constants.W_OK)
    return { what: STORE, health: 'ok', found: `${url} does not exist yet; the first use makes it` }
  } catch {
    return {
      what: STORE,
      health: 'missing',
      found: `${url} cannot be made: ${above} is not writable`,
      fix: `chmod u+w ${above}, or --storage nvram:FOLDER`,
    }
  }
}

const existingAbove = (path: string): string => (existsSync(path) || dirname(path) === path ? path : existingAbove(dirname(path)))

async function opened(url: string): Promise<Finding> {
  const { withOpened } = await import('./open-store.js')
  try {
    return await withOpened(url, async ({ url: clean, capabilities: { acks, reach } }) => ({
      what: STORE,
      health: 'ok',
      found: `${clean} opens; it gives ${acks.join(', ')}; ${reach === 'instance' ? 'only this process sees it' : `every process of this ${reach} may open it`}`,
    }))
  } catch (error) {
    return cannotBeOpened(url, error)
  }
}

/** Errors of insitu say what to do; that is the fix. */
const cannotBeOpened = (url: string, error: unknown): Finding => ({
  what: STORE,
  health: 'missing',
  found: `${withoutSecrets(url)} cannot be opened`,
  fix: error instanceof Error ? error.message : String(error),
})

const SPACE_MIN_BYTES = 1e9

/** What statfs says of tmpfs and ramfs on Linux. */
const MEMORY_FILE_SYSTEMS: readonly number[] = [0x01021994, 0x858458f6]

async function space(path: string): Promise<Finding> {
  const { bavail, bsize, type } = await statfs(path)
  const free = bavail * bsize
  if (MEMORY_FILE_SYSTEMS.includes(type))
    return {
      what: 'disk space',
      health: 'optional',
      found: `${path} lies in memory, ${bytes(free)} free: what is told durable there ends with the machine's power all the same`,
      fix: '--storage nvram:FOLDER on a disk, or on a DAX mount',
    }
  const found = `${bytes(free)} free at ${path}`
  return free < SPACE_MIN_BYTES
    ? { what: 'disk space', health: 'optional', found, fix: 'free some, or --storage nvram:FOLDER on a larger disk' }
    : { what: 'disk space', health: 'ok', found }
}

const servers = (): readonly Finding[] => [driver('redis', 'ioredis'), driver('cassandra', 'cassandra-driver')]

function driver(what: string, name: string): Finding {
  try {
    createRequire(import.meta.url).resolve(name)
    return { what, health: 'ok', found: `its driver, ${name}, is there` }
  } catch {
    return { what, health: 'optional', found: 'its driver is not installed', fix: `npm install ${name}` }
  }
}
