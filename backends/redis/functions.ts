/**
 * Whether scripts that only look are Functions of the server. One is kept with the data, so that no restart or failover forgets it, and
 * `FCALL_RO` lets it write nothing. Where a server stands in the way (older than 7, an ACL, no memory for another) they are the scripts that
 * they always were, which give the same.
 */
import type { Redis } from 'ioredis'
import type { Library } from './scripts.js'

export class Functions {
  #areRefused = false

  /** Whether calls may be tried as Functions. */
  get mayBe(): boolean {
    return !this.#areRefused
  }

  /** Another server may answer at the next opening. */
  forget(): void {
    this.#areRefused = false
  }

  /**
   * After a call of one was refused: loads it where nobody has done so, or else has all go on as scripts for as long as the store is open.
   * The call may be sent again at once. `loads`: how often this has been done for the same call.
   */
  async mend(error: unknown, library: Library | undefined, server: Redis | undefined, loads: number): Promise<void> {
    const isMissing = /Function not found/i.test((error as Error).message)
    if (!isMissing || !library || !server || loads > 0 || !(await isLoaded(server, library))) this.#areRefused = true
  }
}

async function isLoaded(server: Redis, { text }: Library): Promise<boolean> {
  try {
    await server.call('FUNCTION', 'LOAD', text)
    return true
  } catch (error) {
    return /already exists/.test((error as Error).message) // another client was quicker
  }
}

/** Empty where a server lets this user load and call Functions, else what stands in the way. Loads nothing. */
export async function refusedFunctions(server: Redis): Promise<string[]> {
  const tries = [
    ['FCALL_RO', 'insitu', '0'],
    ['FUNCTION', 'LOAD', ''], // refused for what it lacks by whoever may
  ] as const
  const refused = await Promise.all(
    tries.map(async ([name, ...args]) => {
      const why: unknown = await server.call(name, ...args).catch((error: unknown) => error)
      return why instanceof Error && /^NOPERM|unknown (?:sub)?command/i.test(why.message)
        ? [name === 'FCALL_RO' ? name : 'FUNCTION LOAD']
        : []
    }),
  )
  return refused.flat()
}
