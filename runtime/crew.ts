/** Who runs the tasks of a run, and where. */

import type { ValueHosts } from './driver/kept-values.js'
import { FileSlots, slotFile } from './engines/file-slots.js'
import { type LaneSlots, ThreadSlots } from './engines/lane-slots.js'
import { localWorkers, type WorkerSource } from './engines/worker-source.js'
import { hostNames } from './hosts/host-ids.js'
import { HostsBackend } from './hosts/hosts-backend.js'
import { currentHosts, theHosts } from './hosts/the-hosts.js'
import {
  hostsWanted,
  type Isolation,
  isolationWanted,
  placementIsOff,
  runAskedFor,
  workersPerHost,
  workersWanted,
} from './runtime-config.js'
import type { SchedulerOptions } from './scheduler/state.js'

export interface Crew {
  readonly source: WorkerSource
  readonly workers: number
  readonly hosts: number
  hostOf(worker: number): number
  hostName(host: number): string
  /**
   * Workers are started all at once and counted on before they are ready: what lies on their hosts must not go elsewhere only because
   * another host was quicker to start.
   */
  readonly isSpread: boolean
  readonly scheduling?: SchedulerOptions
  /** Makes memory that the workers share with this thread, so many slots: where tasks are given to lanes. */
  readonly slots?: ((count: number) => LaneSlots) | undefined
  /** Where large values of tasks stay with their hosts. */
  readonly values?: ValueHosts
  /** Bytes that went from host to host, or beside the hosts, for tasks. */
  bytesMoved(): number
  /** Bytes that the program itself has loaded. */
  bytesLoaded(): number
}

/**
 * Logical hosts share the cores of one machine: a slot that is free on another host is no gain that would be worth moving data there. So
 * a byte counts for far more than its way takes (some 300 bytes a microsecond); only a long wait makes a task leave its data.
 */
const LINK_BYTES_PER_US = 1

/** As asked for by the program, else by the environment. */
export function crewOf(workers: number | undefined, isolation: Isolation = isolationWanted()): Crew {
  const count = hostsWanted()
  if (count === undefined) return localCrew(workers, isolation)
  const names = [...hostNames(count), 'program']
  const hosts = {
    hosts: count,
    hostName: (host: number) => names[host]!,
    bytesMoved: () => currentHosts()?.bytesMoved ?? 0,
    bytesLoaded: () => currentHosts()?.bytesLoaded ?? 0,
  }
  // Beside the hosts, where no data lie: all that tasks need is fetched.
  if (placementIsOff())
    return {
      ...localCrew(workers, isolation),
      ...hosts,
      scheduling: {},
      slots: undefined,
      hostOf: () => count,
      source: besideHosts(isolation),
    }
  return {
    ...hosts,
    source: hostWorkers(isolation),
    workers: count * (workers ?? workersPerHost()),
    hostOf: (worker) => worker % count,
    isSpread: true,
    // A run that may be gone on with keeps what its tasks made in a file.
    ...(runAskedFor() === undefined && {
      values: {
        count,
        fetch: (value) => theHosts().fetch(value),
        release: (name) => currentHosts()?.release(name),
        bring: (host, value) => theHosts().bring(host, value),
        onLost: (lost) => (theHosts().onValuesLost = lost),
      },
    }),
    scheduling: { linkBytesPerUs: LINK_BYTES_PER_US, fetchesAhead: runAskedFor() === undefined },
  }
}

const besideHosts = (isolation: Isolation): WorkerSource => ({
  ...localWorkers(isolation),
  serves: (backend) => (backend instanceof HostsBackend ? backend.forTasks : backend),
})

const localCrew = (workers: number | undefined, isolation: Isolation): Crew => {
  // A run that may be gone on with looks at each call before it is sent.
  const slots = runAskedFor() === undefined ? slotsFor(isolation) : undefined
  return {
    source: localWorkers(isolation),
    workers: workers ?? workersWanted(),
    hosts: 1,
    hostOf: () => 0,
    hostName: () => 'this machine',
    isSpread: false,
    scheduling: { lanes: slots !== undefined },
    slots,
    bytesMoved: () => 0,
    bytesLoaded: () => 0,
  }
}

function slotsFor(isolation: Isolation): Crew['slots'] {
  if (isolation === 'thread') return ThreadSlots.of
  const file = slotFile()
  return file === undefined ? undefined : (count) => FileSlots.of(count, file)
}

const hostWorkers = (isolation: Isolation): WorkerSource => ({
  take: (host) => theHosts().worker(host, isolation),
  prepare: ({ modules = [] }) => currentHosts()?.prepareSpare(modules),
  hold: (held) => (held ? theHosts() : currentHosts())?.hold(held),
  close: async () => {}, // the stores need their agents for longer
})
