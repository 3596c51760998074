import type { Backend, BackendFactory } from '../src/backend.js'
import { UnavailableError, UnsupportedError, ValidationError } from '../src/errors.js'

/** Backends load through the package's own exports, at first use: who stays on files never loads a driver. */
const FACTORIES: Record<string, () => Promise<{ createBackend: BackendFactory }>> = {
  memory: () => import('insitu/backends/memory'),
  nvram: () => import('insitu/backends/nvram'),
  redis: () => import('insitu/backends/redis'),
  rediss: () => import('insitu/backends/redis'),
  'redis+cluster': () => import('insitu/backends/redis'),
  'rediss+cluster': () => import('insitu/backends/redis'),
}
const NOT_YET = new Set(['cassandra'])

/** An unopened backend for a url. */
export async function makeBackend(url: string): Promise<Backend> {
  const scheme = /^([a-z][a-z0-9+]*):/.exec(url)?.[1]
  const factory = scheme === undefined ? undefined : FACTORIES[scheme]
  if (factory) return (await factory()).createBackend(url)
  if (scheme !== undefined && NOT_YET.has(scheme))
    throw new UnsupportedError(`${scheme}: is not supported yet; this version has ${known()}`, { code: 'ERR_BACKEND_NOT_YET', scheme })
  throw new ValidationError(`${withoutSecrets(url)} is not a store's url: it begins with one of ${known()}, as in nvram:.insitu`, {
    code: 'ERR_STORE_URL',
  })
}

const known = (): string =>
  Object.keys(FACTORIES)
    .map((s) => `${s}:`)
    .join(', ')

/** A url as it may be printed. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/[^@/]*@/, '//***@')

export async function openBackend(url: string): Promise<Backend> {
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
