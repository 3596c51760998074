import { scanAll } from './listing.js'
import { configOf } from './redis-config.js'
import { RedisKeys } from './redis-keys.js'
import { RedisLink } from './redis-link.js'

/** Removes everything that a url's namespace holds. Meant for tests: nobody may have it open. */
export async function dropNamespace(url: string): Promise<void> {
  const config = configOf(url)
  const keys = new RedisKeys(config.namespace)
  const link = new RedisLink(config, keys)
  await link.open()
  try {
    for await (const found of scanAll(link, keys.anything))
      await Promise.all(found.map((key) => link.command((client) => client.unlink(key))))
  } finally {
    link.close()
  }
}
