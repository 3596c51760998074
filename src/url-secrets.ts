import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'

/** A url as it may be printed, also one that nobody can read: whatever may be a user, a password or a part of one is left out. */
export const withoutSecrets = (url: string): string =>
  url.replace(/\/\/.*@/s, '//***@').replace(/([?&][^=&]*(?:pass|pwd|secret|token|auth)[^=&]*=)[^&]*/gi, '$1***')

/** Behind the first `/` or `?` an `@` is most often the end of a password that was written as it is. */
export const hasRawPassword = (url: string): boolean => /\/\/.*[/?@].*@/s.test(url)

export const RAW_PASSWORD = 'in a user or password / ? @ and % are written %2F %3F %40 and %25'

/** A user and his password, as far as they are said. */
export interface Secrets {
  readonly username: string | undefined
  readonly password: string | undefined
}

/**
 * The url that a store is known by has no secrets, and workers open it again by that: so they get them past it. Threads that are started later
 * have them with all that is kept for those, others with word of the store.
 */
const slotOf = (clean: string): string => `insitu secrets ${clean}`

export const keepSecrets = (clean: string, secrets: string): void => setEnvironmentData(slotOf(clean), secrets)

/** As `keepSecrets` takes them. */
export function keptSecrets(clean: string): string | undefined {
  const text = getEnvironmentData(slotOf(clean))
  return typeof text === 'string' ? text : undefined
}

/** Those that a url says, else those kept for it without them, else those of the environment, which may also have the password of a user in the url. */
export function secretsFor(clean: string, said: Secrets, ofEnvironment: Secrets): Secrets {
  const { username, password } = said
  if (username === undefined && password === undefined) {
    const kept = keptSecrets(clean)
    return kept === undefined ? ofEnvironment : (JSON.parse(kept) as Secrets)
  }
  const isHis = ofEnvironment.username === undefined || ofEnvironment.username === username
  const secrets = { username, password: password ?? (isHis ? ofEnvironment.password : undefined) }
  keepSecrets(clean, JSON.stringify(secrets))
  return secrets
}
