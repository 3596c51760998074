import { setTimeout as delay } from 'node:timers/promises'
import { AwakeTime } from '../../src/awake-time.js'
import { UnavailableError } from '../../src/errors.js'
import { type Client, connectionError, isCluster } from './redis-client.js'
import type { RedisConfig } from './redis-config.js'
import { failureOf, isOfCertificates } from './redis-errors.js'

/** A little less than one connection may take to be refused or ignored. */
const OPEN_MS = 1_900
const PAUSE_MS = 10

/** A server that has just been started may need a moment, and so may a Cluster that elects masters; one that refuses the password or a certificate will do so again. */
export async function connected(config: RedisConfig, client: Client, signal?: AbortSignal): Promise<void> {
  const time = new AwakeTime()
  let isUnready = false
  const { refusal, note } = refusals()
  const unready = unreadiness(client)
  const over = new AbortController()
  const silent = silence(config, time, over.signal)
  silent.catch(() => {}) // it may come when nobody waits any more
  client.on('error', note)
  // Of a Cluster the driver keeps to itself why a node cannot be reached.
  if (isCluster(client) && config.tls) void connectionError(config).then((error) => error && isOfCertificates(error) && note(error))
  try {
    for (;;) {
      signal?.throwIfAborted()
      try {
        if (client.status === 'wait' || client.status === 'end')
          isUnready = (await Promise.race([client.connect(), unready, silent, refusal])) === 'unready' || isUnready
        else if (client.status !== 'ready') await Promise.race([delay(PAUSE_MS), refusal])
        if (client.status === 'ready') return void client.off('error', note)
      } catch (error) {
        const cause = (error as { lastNodeError?: Error }).lastNodeError ?? (error as Error)
        if (isRefusal(cause) || time.ms > OPEN_MS) throw cause
        await Promise.race([delay(PAUSE_MS * 5), refusal])
      }
      if (isUnready && time.ms > config.patienceMs) throw notServing(config)
      if (!isUnready && time.ms > OPEN_MS) throw new Error(`not connected after ${OPEN_MS} ms`)
    }
  } finally {
    over.abort()
    time.stop()
  }
}

const isRefusal = (error: Error): boolean => failureOf(error) === 'final' || isOfCertificates(error)

/** A promise that what is noted rejects, where it is a refusal. */
function refusals(): { readonly refusal: Promise<never>; note(error: Error): void } {
  let refuse: (error: Error) => void
  const refusal = new Promise<never>((_, reject) => {
    refuse = reject
  })
  refusal.catch(() => {}) // it may come when nobody waits any more
  return { refusal, note: (error) => isRefusal(error) && refuse(error) }
}

/** The driver tries again and again with a server that takes connections and does not answer. */
async function silence({ url, patienceMs }: RedisConfig, time: AwakeTime, over: AbortSignal): Promise<never> {
  const endMs = Math.max(patienceMs, OPEN_MS)
  while (time.ms < endMs) await delay(endMs - time.ms + 1, undefined, { signal: over, ref: false })
  throw new UnavailableError(`${url} takes connections and has not answered for ${endMs} ms; is it stopped, or busy with something long?`, {
    retryable: true,
  })
}

/** The driver goes on by itself with a Cluster that answers and does not serve, and its promise of a connection is then never settled. */
const unreadiness = (client: Client): Promise<'unready'> =>
  new Promise((resolve) => {
    if (isCluster(client)) client.once('connect', () => client.once('close', () => resolve('unready')))
  })

const notServing = ({ url, nodes: [node], patienceMs }: RedisConfig): UnavailableError =>
  new UnavailableError(
    `${url}: its nodes answer, but the Cluster has not served for ${patienceMs} ms (cluster_state:fail): \`redis-cli --cluster check ${node!.host}:${node!.port}\` says what it lacks`,
    { retryable: true },
  )
