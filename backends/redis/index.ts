import type { Backend, BackendFactory } from '../../src/backend.js'
import { RedisBackend } from './redis-backend.js'
import { configOf } from './redis-config.js'

export { dropNamespace } from './drop-namespace.js'
export { fsck, type RedisFinding, type RedisFsckReport } from './fsck.js'
export { functionsRefusedAt } from './functions-at.js'
export { RedisBackend } from './redis-backend.js'

/**
 * `redis://[user:password@]host[:port][/db]`, `rediss://` with TLS, `redis+cluster://host:port,host:port` and `rediss+cluster://`, each
 * with `?namespace=NAME`.
 *
 * @example createBackend('redis://127.0.0.1:6379?namespace=shop')
 */
export const createBackend: BackendFactory = (url: string): Backend => new RedisBackend(configOf(url))
