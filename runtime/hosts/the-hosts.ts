/** The logical hosts of this process, started when a store is opened or a task is called. */
import type { Backend } from '../../src/backend.js'
import { hostProxy, hostsWanted, runAskedFor } from '../runtime-config.js'
import { HostsPool } from './hosts-pool.js'

let pool: HostsPool | undefined

export const currentHosts = (): HostsPool | undefined => pool

export function theHosts(): HostsPool {
  if (!pool) hostProxy() // what it refuses is told before there is any process
  pool ??= new HostsPool(hostsWanted()!, runAskedFor() === undefined)
  return pool
}

/** A store in a folder, spread over the hosts. */
export const openOnHosts = (folder: string): Promise<Backend> => theHosts().open(folder)

/** Ends the agents. */
export async function endHosts(): Promise<void> {
  const ending = pool
  pool = undefined
  await ending?.close()
}
