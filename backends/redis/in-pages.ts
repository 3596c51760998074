/** Scripts that look at many keys end early where what stands under them is large, and are asked again for those that they left. */
import type { Partition } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import type { ScriptName } from './scripts.js'

/** What one script call looks at. */
const KEYS_MAX = 256

/** What `script` says of each key, in their order. `argumentFor`: what it is told of those from one place to another. */
export async function askInPages(
  link: RedisLink,
  script: ScriptName,
  domain: Partition,
  keys: readonly string[],
  argumentFor: (from: number, to: number) => Argument,
): Promise<readonly Reply[]> {
  const replies: Reply[] = []
  while (replies.length < keys.length) {
    const [from, to] = [replies.length, replies.length + KEYS_MAX]
    replies.push(...(await link.call({ script, domain, keys: keys.slice(from, to), args: () => [argumentFor(from, to)] })))
  }
  return replies
}

/** What find.lua says of objects and aliases; `kinds`: for each a letter. */
export const askWhatIs = (link: RedisLink, domain: Partition, keys: readonly string[], kinds: string): Promise<readonly Reply[]> =>
  askInPages(link, 'find', domain, keys, (from, to) => kinds.slice(from, to))
