import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { UnsupportedError } from '../../src/errors.js'
import type { Host } from '../../src/ids.js'

/** Where a store lies and who opens it. */
export interface NvramConfig {
  readonly url: string
  /** Absolute. */
  readonly folder: string
  /** The host's name in `locate`. */
  readonly host: Host
  /** What tells this machine from others, also after it was renamed. */
  readonly machine: string
}

/** How job scripts ask for the modes of NVDIMMs; neither of them is a store by itself. */
const MODES = {
  '1LM': '1LM (App Direct) is a folder on a DAX mount: name that, as in nvram:/mnt/pmem0/store; how large it may become is the mount’s own',
  '2LM':
    '2LM (Memory Mode) is volatile memory, and no store that is to be durable can be made of it: memory: is for what may end with the program, ' +
    'nvram:FOLDER on a disk or a DAX mount for what may not',
}

const FOLDER_BY_DEFAULT = '.insitu'

/**
 * `nvram:FOLDER` or `nvram:FOLDER?host=NAME`. Environment: INSITU_HOST names the host where the url does not; INSITU_MACHINE_ID stands
 * in for the machine's own id, to adopt a store whose machine is gone or was cloned.
 */
export function configOf(url: string): NvramConfig {
  const rest = /^nvram:(.*)$/s.exec(url)?.[1]
  if (rest === undefined) throw new UnsupportedError(`The nvram backend cannot open ${url}: it is no nvram: url.`, { url })
  const mode = /^[12]LM(?=:|$)/i.exec(rest)?.[0].toUpperCase()
  if (mode) throw new UnsupportedError(`${url} names no folder: ${MODES[mode as keyof typeof MODES]}.`, { url, mode })
  const [path = '', query = ''] = rest.split('?', 2)
  const options = new URLSearchParams(query)
  for (const key of options.keys())
    if (key !== 'host') throw new UnsupportedError(`${url}: the nvram backend knows no option ${key}.`, { url, option: key })
  const folder = resolve(path || FOLDER_BY_DEFAULT)
  const named = options.get('host')
  const host = (named ?? process.env.INSITU_HOST ?? hostname()) as Host
  // Absolute, so that a worker with another working folder opens the same store.
  return { url: `nvram:${folder}${named === null ? '' : `?host=${encodeURIComponent(named)}`}`, folder, host, machine: machineId() }
}

function machineId(): string {
  const given = process.env.INSITU_MACHINE_ID
  if (given) return given
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim()
    if (id) return id
  } catch {
    // No such file outside Linux, and in some containers.
  }
  return hostname()
}
