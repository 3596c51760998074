import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const exec = promisify(execFile)

export const npm = (args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> => exec('npm', args, { cwd })

/** npm's own patience with a registry is longer than a whole test. */
export const ONE_QUICK_RETRY = [
  '--fetch-retries=1',
  '--fetch-retry-mintimeout=1000',
  '--fetch-retry-maxtimeout=2000',
  '--fetch-timeout=20000',
]

/** npm's own words for a registry that does not answer. */
export const isOffline = (error: unknown): boolean =>
  /code (?:ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT)\b/.test(saidBy(error))

/** The same for a package or a version of it that the registry does not have. */
export const isUnknown = (error: unknown): boolean => /code (?:E404|ETARGET)\b/.test(saidBy(error))

const saidBy = (error: unknown): string => String((error as { stderr?: unknown }).stderr ?? '')
