/** Where the sockets of a run's hosts lie: a folder of its own, for its user alone. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ValidationError } from '../../src/errors.js'
import { HOSTS_MAX } from './host-ids.js'
import { socketOf } from './host-messages.js'

const NAME = 'insitu-hosts-'
/** What the name of a socket may be long on macOS; 107 on Linux. A longer one is cut short without a word, and is then the same for all. */
const SOCKET_BYTES_MAX = 103

const fits = (folder: string): boolean => Buffer.byteLength(socketOf(join(folder, `${NAME}XXXXXX`), HOSTS_MAX)) <= SOCKET_BYTES_MAX

/** In the folder for temporary files, or in /tmp where the names there would become too long. @throws ValidationError ERR_SETTING */
export function makeSocketsFolder(): string {
  const asked = tmpdir()
  try {
    return mkdtempSync(join(fits(asked) ? asked : '/tmp', NAME))
  } catch (cause) {
    throw new ValidationError(
      `the sockets of the hosts need a folder: TMPDIR is one that this program may write to, not ${asked} (${(cause as Error).message})`,
      { code: 'ERR_SETTING', setting: 'TMPDIR', value: asked, cause },
    )
  }
}
