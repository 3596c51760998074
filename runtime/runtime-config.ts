/** Settings of the runtime that come from the environment. */
import { availableParallelism, totalmem } from 'node:os'
import { ValidationError } from '../src/errors.js'
import { isIdText } from '../src/ids.js'
import { checkHosts } from './hosts/host-ids.js'

/** A setting that means nothing must not pass for none: who wrote it waits for what it says. */
function refuseSetting(name: string, wanted: string): never {
  const value = process.env[name]
  throw new ValidationError(`${name} is ${wanted}, not ${value}`, { code: 'ERR_SETTING', setting: name, value })
}

function isOff(name: string): boolean {
  const asked = process.env[name] || 'on'
  return asked === 'off' || (asked !== 'on' && refuseSetting(name, 'on or off'))
}

function wholeNumber(name: string, least = 1): number | undefined {
  if (!process.env[name]) return undefined
  const asked = Number(process.env[name])
  return Number.isSafeInteger(asked) && asked >= least ? asked : refuseSetting(name, `a whole number from ${least}`)
}

/** `INSITU_RUNTIME=off`: task calls run in place, in order. @throws ValidationError ERR_SETTING, as whatever is read here */
export const runtimeIsOff = (): boolean => isOff('INSITU_RUNTIME')

/** Worker threads: `INSITU_WORKERS`, else one per core. */
export const workersWanted = (): number => wholeNumber('INSITU_WORKERS') ?? Math.max(1, availableParallelism())

/** With less, a thread that starts ends the whole process, from Node 22 on. */
const WORKER_HEAP_MB_MIN = 4

/** Heap of one worker thread in megabytes: `INSITU_WORKER_HEAP_MB`, else Node's own limit. A task that needs more fails, and no other. */
export const workerHeapMb = (): number | undefined => wholeNumber('INSITU_WORKER_HEAP_MB', WORKER_HEAP_MB_MIN)

/** Memory that tasks may say they need of this host, in megabytes: `INSITU_MEMORY_MB`, else what the machine has. */
export const hostMemoryMb = (): number => wholeNumber('INSITU_MEMORY_MB') ?? Math.floor(totalmem() / 2 ** 20)

/** What tasks may ask this host for: `INSITU_LABELS`, separated by commas. */
export function hostLabels(): readonly string[] {
  return (process.env['INSITU_LABELS'] ?? '').split(',').filter((label) => label !== '')
}

/** Calls that `submitReady` lets be pending: `INSITU_PENDING_MAX`. */
export const pendingMax = (): number => wholeNumber('INSITU_PENDING_MAX') ?? 100_000

/** `INSITU_HOSTS`: logical hosts, an agent each; not set: none. @throws ValidationError ERR_HOSTS */
export function hostsWanted(): number | undefined {
  const asked = process.env['INSITU_HOSTS']
  return asked ? checkHosts(Number(asked)) : undefined
}

/**
 * `INSITU_HOST_PROXY`, host:port: logical hosts reach one another through it, each connection beginning with the line that names the other's
 * socket. For trials of what a slower link does. @throws ValidationError ERR_SETTING
 */
export function hostProxy(): { readonly host: string; readonly port: number } | undefined {
  const asked = process.env['INSITU_HOST_PROXY']
  if (!asked) return undefined
  const [, host, port] = /^(.+):(\d+)$/.exec(asked) ?? []
  if (host === undefined || Number(port) > PORT_MAX) refuseSetting('INSITU_HOST_PROXY', `host:port, the port at most ${PORT_MAX}`)
  return { host, port: Number(port) }
}

const PORT_MAX = 65_535

/** Worker threads of each logical host: `INSITU_WORKERS`, else one. */
export const workersPerHost = (): number => wholeNumber('INSITU_WORKERS') ?? 1

/** `INSITU_PLACEMENT=off`: tasks do not go to their data; the data go to them. */
export const placementIsOff = (): boolean => isOff('INSITU_PLACEMENT')

/** `INSITU_RUN`: the id of the run to begin or to go on with; not set: a run of its own. @throws ValidationError ERR_RUN_ID */
export function runAskedFor(): string | undefined {
  const asked = process.env['INSITU_RUN']
  if (!asked) return undefined
  if (isIdText(asked)) return asked
  throw new ValidationError(`${asked} is no run id: ids look like 01995f0e-7c1b-7d3a-9a54-0f2f6d1f4b11`, { code: 'ERR_RUN_ID', run: asked })
}

/** What a worker runs in: a thread of the program's process, or a process of its own, which may crash as a whole. */
export type Isolation = 'thread' | 'process'

/** `INSITU_ISOLATION`: `thread` (default) or `process`. @throws ValidationError for anything else */
export function isolationWanted(): Isolation {
  const asked = process.env['INSITU_ISOLATION'] || 'thread'
  return asked === 'thread' || asked === 'process' ? asked : refuseSetting('INSITU_ISOLATION', 'thread or process')
}

export function checkIsolation(asked: unknown): Isolation {
  if (asked === 'thread' || asked === 'process') return asked
  throw new ValidationError(`isolation is 'thread' or 'process', not ${String(asked)}`, { code: 'ERR_ISOLATION', isolation: asked })
}

/** Sizes up to which glibc's allocator keeps memory for later instead of giving it back to the system at once. */
const KEPT = { MALLOC_MMAP_THRESHOLD_: 32 * 1024 * 1024, MALLOC_TRIM_THRESHOLD_: 64 * 1024 * 1024 } as const

/**
 * The environment of a process that runs tasks. What tasks read are arrays of many megabytes that live as long as the task: by default
 * their memory goes back to the system each time, and a fifth of what a task takes goes to having it zeroed and mapped anew, page by
 * page. What the user has set stands.
 */
export const childEnv = (): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(KEPT).map(([name, bytes]) => [name, String(bytes)])),
  ...process.env,
})
