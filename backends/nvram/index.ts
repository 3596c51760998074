import type { Backend, BackendFactory } from '../../src/backend.js'
import { NvramBackend } from './nvram-backend.js'
import { configOf } from './nvram-config.js'

export type { Finding, FindingKind } from './fsck/finding.js'
export { type FsckOptions, type FsckReport, fsck } from './fsck/fsck.js'
export { NvramBackend } from './nvram-backend.js'

/**
 * `nvram:FOLDER` (default `.insitu`), with `?host=NAME` to name the host in `locate`.
 *
 * @example createBackend('nvram:./data')
 */
export const createBackend: BackendFactory = (url: string): Backend => new NvramBackend(configOf(url))
