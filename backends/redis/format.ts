import { UnsupportedError } from '../../src/errors.js'
import type { Client } from './redis-client.js'
import type { RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'

const FORMAT = 'insitu redis 3'
/** Its dicts lie in one partition each, as may those of the format now: what knows only this one must not open what has others. */
const FORMAT_BEFORE = 'insitu redis 2'

/** Says that a namespace is in use, or that it is of a format which is not known. @throws UnsupportedError (ERR_FORMAT_VERSION) */
export async function requireFormat(link: RedisLink, keys: RedisKeys): Promise<void> {
  const found = await link.command(async (client) => {
    // Looked at first: a server that takes no writes, since its memory is full or its disk or copies are away, can be read all the same.
    const standing = (await client.get(keys.format)) ?? (await made(client, keys))
    if (standing !== FORMAT_BEFORE) return standing
    await client.set(keys.format, FORMAT)
    return FORMAT
  })
  if (found !== FORMAT)
    throw new UnsupportedError(`${link.config.url}: namespace ${keys.namespace} has format ${found}, this version knows ${FORMAT}.`, {
      code: 'ERR_FORMAT_VERSION',
    })
}

/** Somebody else may be faster. */
async function made(client: Client, keys: RedisKeys): Promise<string | null> {
  await client.setnx(keys.format, FORMAT)
  return client.get(keys.format)
}
