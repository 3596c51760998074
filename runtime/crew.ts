/** Who runs the tasks of a run, and where. */
import { localWorkers, type WorkerSource } from './engines/worker-source.js'
import { hostNames } from './hosts/host-ids.js'
import { currentHosts, theHosts } from './hosts/the-hosts.js'
import { hostsWanted, type Isolation, isolationWanted, placementIsOff, workersPerHost, workersWanted } from './runtime-config.js'

export interface Crew {
  readonly source: WorkerSource
  readonly workers: number
  hostOf(worker: number): number
  hostName(host: number): string
  /**
   * Workers are started all at once and counted on before they are ready: what lies on their hosts must not go elsewhere only because
   * another host was quicker to start.
   */
  readonly isSpread: boolean
  /** Bytes that went from host to host, or to the program. */
  bytesMoved(): number
}

/** As asked for by the program, else by the environment. */
export function crewOf(workers: number | undefined, isolation: Isolation = isolationWanted()): Crew {
  const count = hostsWanted()
  if (count === undefined) return localCrew(workers, isolation)
  const names = [...hostNames(count), 'program']
  const hosts = { hostName: (host: number) => names[host]!, bytesMoved: () => currentHosts()?.bytesMoved ?? 0 }
  // Beside the hosts, where no data lie: all that tasks need is fetched.
  if (placementIsOff()) return { ...localCrew(workers, isolation), ...hosts, hostOf: () => count }
  return {
    ...hosts,
    source: hostWorkers(),
    workers: count * (workers ?? workersPerHost()),
    hostOf: (worker) => worker % count,
    isSpread: true,
  }
}

const localCrew = (workers: number | undefined, isolation: Isolation): Crew => ({
  source: localWorkers(isolation),
  workers: workers ?? workersWanted(),
  hostOf: () => 0,
  hostName: () => 'this machine',
  isSpread: false,
  bytesMoved: () => 0,
})

const hostWorkers = (): WorkerSource => ({
  take: (host) => theHosts().worker(host),
  prepare: () => currentHosts()?.prepareSpare(),
  hold: (held) => currentHosts()?.hold(held),
  close: async () => {}, // the stores need their agents for longer
})
