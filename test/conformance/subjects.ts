/** Subjects for the backends that come with the package, made from a url. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { dropKeyspace, makeKeyspace } from '../../backends/cassandra/index.js'
import { dropNamespace } from '../../backends/redis/index.js'
import { connect } from '../../runtime/index.js'
import type { Backend } from '../../src/backend.js'
import { UnavailableError, ValidationError } from '../../src/errors.js'
import { makeFolders } from '../../src/make-folders.js'
import { withoutSecrets } from '../../src/url-secrets.js'
import type { ConformanceFactory, Subject } from './session.js'

/** Fresh data at a url: for a folder a subfolder of its own, which goes at the end. */
export function subjectAt(url: string): ConformanceFactory {
  return async () => {
    if (url.startsWith('memory:')) return { ...(await instanceSubject(ofItsOwn(url))), name: url }
    if (url.startsWith('nvram:')) return folderSubject(url)
    if (/^rediss?(?:\+cluster)?:/.test(url)) return namespaceSubject(url)
    if (url.startsWith('cassandra:')) return keyspaceSubject(url)
    throw new ValidationError(
      `no conformance run for ${withoutSecrets(url)}: give memory:, nvram:DIR, redis://HOST:PORT or cassandra://HOST/KEYSPACE`,
      {
        code: 'ERR_STORE_URL',
      },
    )
  }
}

/** `memory:` is the same data for the whole thread; a run wants some of its own. */
const ofItsOwn = (url: string): string => (url.includes('?') ? `${url}&private` : `${url}?private`)

/** A store that lives in one instance: every program shares it. */
export async function instanceSubject(url: string, wrap: (backend: Backend) => Backend = (backend) => backend): Promise<Subject> {
  const store = await connect(url)
  const backend = wrap(store.backend)
  return { name: url, open: () => backend, drop: () => store.close() }
}

/** A folder of its own below the one named by the url. */
async function folderSubject(url: string): Promise<Subject> {
  const [, path, options] = /^nvram:([^?]*)(.*)$/s.exec(url)!
  const parent = resolve(path || '.')
  const made = folderAt(parent)
  const folder = await mkdtemp(join(parent, 'conformance-'))
  return {
    name: url,
    open: () => `nvram:${folder}${options}`,
    drop: () => rm(made ?? folder, { recursive: true, force: true }),
  }
}

function folderAt(path: string): string | undefined {
  try {
    return makeFolders(path)
  } catch (cause) {
    throw new UnavailableError(`the folder ${path} cannot be made: ${(cause as Error).message}`, { cause })
  }
}

/** A namespace of its own on the server named by the url. */
async function namespaceSubject(url: string): Promise<Subject> {
  const name = `conformance-${randomBytes(6).toString('hex')}`
  // Not in the one that the url may name: all that is there is removed at the end.
  const [server, query = ''] = url.split('?', 2) as [string, string?]
  const options = query.split('&').filter((option) => option !== '' && !option.startsWith('namespace='))
  const own = `${server}?${[...options, `namespace=${name}`].join('&')}`
  // A server that is not there is one error, not one for each case.
  await (await connect(own)).close()
  return { name: withoutSecrets(url), open: () => own, drop: () => dropNamespace(own) }
}

/** A keyspace of its own, beside the one named by the url. */
async function keyspaceSubject(url: string): Promise<Subject> {
  const own = url.replace(/^(cassandra:\/\/[^/?]*)(?:\/[^?]*)?/, `$1/conformance_${randomBytes(6).toString('hex')}`)
  await makeKeyspace(own, 1)
  return { name: withoutSecrets(url), open: () => own, drop: () => dropKeyspace(own), casesMax: KEYSPACE_CASES_MAX }
}
/**
 * With all cases in one keyspace a node of 256 MB of heap ended, twice at the same case; by this many it goes through. Presumably it is the tables,
 * which a node holds in memory; nobody has looked at its heap.
 */
const KEYSPACE_CASES_MAX = 120
