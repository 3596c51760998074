import type Mocha from 'mocha'
import { notRun } from '../tools/not-run.js'
import { whyNoRedis } from './redis.js'

/** Before tests that need a Redis server. Without one they are not run; on a build server that is a failure. */
export const requireRedis = (context: Mocha.Context): void => requireServer(context, whyNoRedis())

/** `why` says why there is no server. Where CI is set nobody reads what was not run, so that it must not pass for a success. */
export function requireServer(context: Mocha.Context, why: string | undefined, env: Readonly<NodeJS.ProcessEnv> = process.env): void {
  if (why === undefined) return
  if (env.CI !== undefined && env.CI !== '' && env.CI !== 'false') throw new Error(`CI=${env.CI}, and these tests cannot run: ${why}`)
  notRun(context, why)
}
