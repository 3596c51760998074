import type { Backend, BackendFactory } from '../../src/backend.js'
import { UnsupportedError } from '../../src/errors.js'
import { MemoryBackend, type MemoryData } from './memory-backend.js'
import { MemorySpace } from './memory-space.js'

export { applyGroup } from './apply-group.js'
export { MemoryBackend } from './memory-backend.js'

const DOMAINS_MAX = 64

/** The data of each name, for as long as this thread runs: who opens a name again finds what was there. */
const shared = new Map<string, MemoryData>()

/**
 * `memory:` and `memory:NAME` share their data by name inside one thread; `?private` has data of its own; `?domains=N` spreads
 * objects, aliases and tables over N domains that cannot commit together, to try the commit protocol on.
 *
 * @example createBackend('memory:')
 */
export const createBackend: BackendFactory = (url: string): Backend => {
  const { name, domains, isPrivate } = parse(url)
  const fresh = (): MemoryData => Array.from({ length: domains }, () => new MemorySpace())
  if (isPrivate) return new MemoryBackend(url, fresh())
  const data = shared.get(name) ?? fresh()
  if (data.length !== domains) throw new UnsupportedError(`memory:${name} is open with ${data.length} domains, not ${domains}.`, { url })
  shared.set(name, data)
  return new MemoryBackend(url, data)
}

function parse(url: string): { readonly name: string; readonly domains: number; readonly isPrivate: boolean } {
  const [, name = '', query = ''] = /^memory:([^?]*)(?:\?(.*))?$/.exec(url) ?? refuse(url, 'it is no memory: url')
  const options = new URLSearchParams(query)
  for (const key of options.keys()) if (key !== 'domains' && key !== 'private') refuse(url, `it knows no option ${key}`)
  const domains = Number(options.get('domains') ?? 1)
  if (!Number.isInteger(domains) || domains < 1 || domains > DOMAINS_MAX) refuse(url, `domains must be 1 to ${DOMAINS_MAX}`)
  return { name, domains, isPrivate: options.has('private') }
}

function refuse(url: string, why: string): never {
  throw new UnsupportedError(`The memory backend cannot open ${url}: ${why}.`, { url })
}
