/** Workers come and go. */
import { LOSSES_MAX, NONE, Reason } from './constants.js'
import type { SlotsChanged, WorkersJoined, WorkersLost } from './events.js'
import { again, noteUnsure, unassign } from './reports.js'
import { hostAt, type RuntimeState, workerAt } from './state.js'
import { type Host, Worker } from './workers.js'

export function onWorkersJoined(state: RuntimeState, event: WorkersJoined): void {
  for (const { worker: index, slots, host: hostIndex, memoryMb, labels = [] } of event.workers) {
    if (workerAt(state, index).alive) throw new RangeError(`worker ${index} joins twice`)
    const worker = new Worker(index)
    const host = hostAt(state, hostIndex)
    Object.assign(worker, { alive: true, slots, host: hostIndex, heardAt: state.now })
    state.workers[index] = worker
    host.workers.push(worker)
    host.slots += slots
    describe(host, memoryMb, labels)
  }
  listLivingHosts(state)
}

function describe(host: Host, memoryMb: number | undefined, labels: readonly string[]): void {
  if (memoryMb !== undefined) host.memoryMb = Number.isFinite(host.memoryMb) ? Math.max(host.memoryMb, memoryMb) : memoryMb
  if (labels.some((label) => !host.labels.has(label))) host.labels = new Set([...host.labels, ...labels])
}

export function onWorkersLost(state: RuntimeState, event: WorkersLost): void {
  const orphans: number[] = []
  for (const index of event.workers) {
    const worker = state.workers[index]
    if (worker?.alive) lose(state, worker, orphans)
  }
  listLivingHosts(state)
  // Only now: none of them may be placed on another worker of the same batch.
  for (const task of orphans) {
    state.totals.lost++
    noteUnsure(state, task)
    if (!event.isMeant) state.tasks.losses[task]!++
    again(state, task, state.tasks.losses[task]! < LOSSES_MAX, Reason.WORKER_LOST)
  }
}

function lose(state: RuntimeState, worker: Worker, orphans: number[]): void {
  const host = state.hosts[worker.host]!
  for (let task = worker.head; task !== NONE; task = worker.head) {
    unassign(state, task)
    orphans.push(task)
  }
  worker.alive = false
  host.workers.splice(host.workers.indexOf(worker), 1)
  host.slots -= worker.slots
  if (host.workers.length === 0) state.fetches.forgetHost(host)
  state.outbox.replace(worker.index)
}

export function onSlotsChanged(state: RuntimeState, event: SlotsChanged): void {
  const worker = state.workers[event.worker]
  if (!worker?.alive) return
  state.hosts[worker.host]!.slots += event.slots - worker.slots
  state.isPlanDue = true
  worker.slots = event.slots
}

function listLivingHosts(state: RuntimeState): void {
  state.livingHosts = state.hosts.filter((h) => h.workers.length > 0)
  state.isPlanDue = true
}
