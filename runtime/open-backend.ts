import type { Backend, BackendFactory } from '../src/backend.js'
import { UnavailableError, ValidationError } from '../src/errors.js'
import { withoutSecrets } from '../src/url-secrets.js'
import { hostsAtRest } from './hosts/at-rest.js'
import { folderOf, hostsIn } from './hosts/hosts-folder.js'
import { importModule } from './import-module.js'

interface BackendModule {
  readonly createBackend: BackendFactory
}

/** Backends load through the package's own exports, at first use: who stays on files never loads a driver. */
const redis = (): Promise<BackendModule> => import('insitu/backends/redis')
const cassandra = (): Promise<BackendModule> => import('insitu/backends/cassandra')
const OURS = new Map<string, () => Promise<BackendModule>>([
  ['memory', () => import('insitu/backends/memory')],
  ['nvram', () => import('insitu/backends/nvram')],
  ['redis', redis],
  ['rediss', redis],
  ['redis+cluster', redis],
  ['rediss+cluster', redis],
  ['cassandra', cassandra],
])
/** Modules of others' backends by the scheme of their urls. */
const registered = new Map<string, string>()

/**
 * Makes urls of a further scheme known to `connect`. `module` is the url of the module that exports `createBackend`, since worker threads
 * import it as well: call it there, as in `registerBackend('sqlite', import.meta.url)`. A program says it by importing that module;
 * nothing that lies in a store does.
 */
export function registerBackend(scheme: string, module: string): void {
  if (!SCHEME.test(`${scheme}:`) || OURS.has(scheme))
    throw new ValidationError(`${scheme}: cannot be the scheme of another backend`, { code: 'ERR_STORE_URL', scheme })
  registered.set(scheme, module)
}

/** The module that a worker thread must import before it makes a backend for this url. */
export function moduleFor(url: string): string | undefined {
  const scheme = schemeOf(url)
  return scheme === undefined ? undefined : registered.get(scheme)
}

const SCHEME = /^([a-z][a-z0-9+]*):/
const schemeOf = (url: string): string | undefined => SCHEME.exec(url)?.[1]

/** An unopened backend for a url, by the module given for it, if any. */
export async function makeBackend(url: string, module = moduleFor(url)): Promise<Backend> {
  const scheme = schemeOf(url)
  const folder = folderOf(url)
  const hosts = folder === undefined ? undefined : hostsIn(folder)
  if (hosts !== undefined) return hostsAtRest(folder!, hosts, (await import('insitu/backends/nvram')).createBackend)
  const ours = scheme === undefined ? undefined : OURS.get(scheme)
  if (ours) return (await ours()).createBackend(url)
  if (module !== undefined) return ((await importModule(module)) as BackendModule).createBackend(url)
  throw new ValidationError(`${withoutSecrets(url)} is not a store's url: it begins with one of ${known()}, as in nvram:.insitu`, {
    code: 'ERR_STORE_URL',
  })
}

const known = (): string => [...OURS.keys(), ...registered.keys()].map((s) => `${s}:`).join(', ')

export async function openBackend(url: string): Promise<Backend> {
  try {
    return await opened(url)
  } catch (error) {
    ofOpening.add(error as object)
    throw error
  }
}

const ofOpening = new WeakSet<object>()

/** Whether it is what kept a store from being opened by its url. */
export const isOfOpening = (error: unknown): boolean => typeof error === 'object' && error !== null && ofOpening.has(error)

async function opened(url: string): Promise<Backend> {
  const backend = await makeBackend(url)
  try {
    await backend.open()
  } catch (error) {
    await backend.close().catch(() => {})
    if (error instanceof Error && 'code' in error) throw error
    throw new UnavailableError(`${withoutSecrets(url)} cannot be opened: ${(error as Error).message}`, { cause: error })
  }
  return backend
}
