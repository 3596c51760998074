import { randomBytes } from 'node:crypto'
import { createBackend } from '../../backends/redis/index.js'
import type { Backend } from '../../src/backend.js'

export const freshNamespace = (): string => `test-${randomBytes(5).toString('hex')}`

/** A backend on data of its own, unless `query` names a namespace. */
export function backendAt(server: { readonly url: string }, query: Record<string, string> = {}): Backend {
  const options = new URLSearchParams({ namespace: freshNamespace(), ...query })
  return createBackend(`${server.url}?${options}`)
}

export async function openAt(server: { readonly url: string }, query: Record<string, string> = {}): Promise<Backend> {
  const backend = backendAt(server, query)
  await backend.open()
  return backend
}

/** What `run` fails with. */
export async function failureOf(run: () => Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('nothing was thrown')
}

interface Stoppable {
  stop(): Promise<void>
}

/** In a suite: what a test has started with it is stopped after that test. */
export function startedForEach(): <S extends Stoppable>(server: Promise<S>) => Promise<S> {
  const servers: Stoppable[] = []
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()))
  })
  return async (server) => {
    const started = await server
    servers.push(started)
    return started
  }
}
