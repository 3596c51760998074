import { currentHosts } from '../../runtime/hosts/the-hosts.js'
import { kill, killWorker } from './runtime-pids.js'

/** Ends one of those that run tasks: of hosts an agent, with all that it holds. */
export function killOne(which: number): void {
  const hosts = currentHosts()
  if (!hosts) return killWorker(which)
  const pid = hosts.pidOf(which % hosts.count)
  if (pid !== undefined) kill(pid)
}

/** Whether it is the program itself that is to end, where it can be made to go on. */
export const killsProgram = (which: number): boolean => which % 3 > 0
