import { refusedFunctions } from './functions.js'
import { configOf } from './redis-config.js'
import { RedisKeys } from './redis-keys.js'
import { RedisLink } from './redis-link.js'

/**
 * The commands that keep aggregates of a store from being Functions of its servers, sorted: they are scripts then. Empty: they are Functions.
 * @throws UnavailableError: it cannot be asked
 */
export async function functionsRefusedAt(url: string): Promise<readonly string[]> {
  const config = configOf(url)
  const link = new RedisLink(config, new RedisKeys(config.namespace))
  await link.open()
  try {
    const refused = await Promise.all(link.masters().map(refusedFunctions))
    return [...new Set(refused.flat())].sort()
  } finally {
    link.close()
  }
}
