/**
 * Every structural law of the state, checked from scratch: what the columns say must agree with what they are made of. Costs O(state);
 * tests run it after every step.
 */
import { Access, FEED_AHEAD_US, isSettled, Kind, NONE, STATUS_NAMES, Status } from './constants.js'
import { pinnedQueueOf, QUEUE_ANYWHERE, queueOf } from './ready-queues.js'
import { illegal, type RuntimeState } from './state.js'
import { Mark } from './task-table.js'

/** Throws an IllegalTransition that names the law. */
export function checkInvariants(state: RuntimeState): void {
  const found = scanAccesses(state)
  checkChains(state, found)
  checkTasks(state, found)
  const ready = checkQueues(state) + checkPool(state)
  const assigned = checkWorkers(state)
  law(state, ready === state.counts[Status.READY], NONE, 'each ready task stands in exactly one queue, or in the pool')
  law(state, assigned === state.counts[Status.ASSIGNED], NONE, 'each assigned task stands in the list of exactly one living worker')
  checkHosts(state)
  checkFed(state)
}

function law(state: RuntimeState, holds: boolean, task: number, text: string): asserts holds {
  if (!holds) throw illegal(state, task, `law broken: ${text}`)
}

interface Found {
  /** Pending members and granted members of each group. */
  readonly members: Int32Array
  readonly granted: Int32Array
  /** Accesses of each task not granted. */
  readonly ungranted: Int32Array
}

function scanAccesses(state: RuntimeState): Found {
  const { accesses, groups, tasks } = state
  const found = { members: new Int32Array(groups.size), granted: new Int32Array(groups.size), ungranted: new Int32Array(tasks.count) }
  for (let a = 0; a < accesses.size; a++) {
    const task = accesses.task(a)
    if (task === NONE) continue
    const g = accesses.group(a)
    law(state, !isSettled(tasks.status[task]!), task, 'a settled task has no accesses')
    // What it waited for will not come: it has been cut off.
    const isStopping = tasks.status[task] === Status.ASSIGNED && (tasks.marks[task]! & Mark.CANCELLING) !== 0
    if (g === NONE && (tasks.status[task] === Status.ENDING || isStopping)) continue
    law(state, g !== NONE && groups.datum(g) === accesses.datum(a) && groups.mode(g) === accesses.mode(a), task, 'an access fits its group')
    found.members[g]!++
    if (accesses.isGranted(a)) found.granted[g]!++
    else found.ungranted[task]!++
  }
  checkAccessRows(state)
  return found
}

/** Rows are in use by a task, in use by a group as rows of settled tasks, or free. */
function checkAccessRows(state: RuntimeState): void {
  const { accesses, groups, data, tasks } = state
  let rows = 0
  for (let a = accesses.free; a !== NONE; a = accesses.nextOfTask(a)) rows++
  for (let t = 0; t < tasks.count; t++) for (let a = tasks.access[t]!; a !== NONE; a = accesses.nextOfTask(a)) rows++
  for (let d = 0; d < data.capacity; d++) {
    for (let g = data.head[d]!; g !== NONE; g = groups.next(g)) {
      for (let a = groups.first(g); a !== NONE; a = accesses.nextOfGroup(a)) if (accesses.task(a) === NONE) rows++
    }
  }
  law(state, rows === accesses.size, NONE, 'no access row is lost or used twice')
}

function checkChains(state: RuntimeState, found: Found): void {
  const { data, groups } = state
  let rows = 0
  for (let g = groups.free; g !== NONE; g = groups.next(g)) rows++
  for (let d = 0; d < data.capacity; d++) rows += checkChain(state, d, found)
  law(state, rows === groups.size, NONE, 'no group row is lost or used twice')
}

function checkChain(state: RuntimeState, d: number, found: Found): number {
  const { data, groups } = state
  const head = data.head[d]!
  law(state, (head === NONE) === (data.tail[d] === NONE), NONE, `datum ${d}: a chain has both ends or none`)
  if (head === NONE) return 0
  law(state, data.kind[d] !== Kind.VOID, NONE, `datum ${d}: only declared data are used`)
  law(state, groups.pending(head) > 0, NONE, `datum ${d}: the first group has somebody in it`)
  let length = 0
  for (let g = head; g !== NONE; g = groups.next(g), length++) {
    checkGroup(state, g, g === head, found)
    if (groups.next(g) === NONE) law(state, data.tail[d] === g, NONE, `datum ${d}: the tail is the last group`)
  }
  return length
}

function checkGroup(state: RuntimeState, g: number, isOpen: boolean, found: Found): void {
  const { groups } = state
  const d = groups.datum(g)
  const mode = groups.mode(g)
  const next = groups.next(g)
  const granted = found.granted[g]!
  law(state, groups.pending(g) === found.members[g], NONE, `datum ${d}: a group counts its pending members`)
  const allowed = !isOpen ? 0 : mode === Access.COMMUTATIVE ? 1 : found.members[g]!
  law(state, granted === allowed, NONE, `datum ${d}: the first group's members may run, of COMMUTATIVE ones one, of later groups none`)
  law(state, mode !== Access.WRITE || found.members[g]! <= 1, NONE, `datum ${d}: a writer is alone`)
  law(
    state,
    next === NONE || mode === Access.WRITE || groups.mode(next) !== mode || groups.isCut(g),
    NONE,
    `datum ${d}: neighbours that could share a group do`,
  )
}

function checkTasks(state: RuntimeState, found: Found): void {
  const { tasks, counts } = state
  const seen = new Int32Array(STATUS_NAMES.length)
  for (let task = 0; task < tasks.count; task++) {
    const status = tasks.status[task]!
    seen[status]!++
    checkTask(state, task, status, found.ungranted[task]!)
  }
  for (let s = Status.WAITING; s < seen.length; s++) {
    law(state, seen[s] === counts[s], NONE, `the count of ${STATUS_NAMES[s]} tasks is right`)
  }
  law(state, state.doomed.length === 0 && state.idleData.length === 0, NONE, 'a step leaves nothing half done')
}

function checkTask(state: RuntimeState, task: number, status: number, ungranted: number): void {
  const { tasks } = state
  law(state, status !== Status.VOID, task, 'a submitted task has a status')
  if (isSettled(status)) {
    law(state, tasks.access[task] === NONE, task, 'a settled task has no accesses')
    const unhappy = status === Status.FAILED || status === Status.CANCELLED
    law(state, unhappy === (tasks.cause[task] !== NONE), task, 'what did not succeed has a cause')
    law(state, status !== Status.FAILED || tasks.cause[task] === task, task, 'a failed task is its own cause')
    return
  }
  if (status === Status.ENDING) return law(state, tasks.cause[task] !== NONE && state.seals, task, 'what is given up has a cause')
  law(state, tasks.missing[task] === tasks.promises[task]! + ungranted, task, 'missing = promises + accesses not granted')
  const mayLack = status === Status.WAITING || (state.lanes && status === Status.ASSIGNED)
  law(state, status !== Status.WAITING || tasks.missing[task]! > 0, task, 'a task waits only while something is missing')
  law(state, mayLack || tasks.missing[task] === 0, task, 'only a task that waits, or follows others in a lane, lacks something')
}

function checkQueues(state: RuntimeState): number {
  const { hosts } = state
  let ready = checkQueue(state, QUEUE_ANYWHERE, () => true)
  for (const host of hosts) {
    ready += checkQueue(state, queueOf(host.index), (task) => state.tasks.pinned[task] === NONE)
    ready += checkQueue(state, pinnedQueueOf(host.index), (task) => state.tasks.pinned[task] === host.index)
  }
  return ready
}

function checkPool(state: RuntimeState): number {
  const seen = new Set<number>()
  for (const task of state.pool) {
    law(
      state,
      state.tasks.status[task] === Status.READY && !seen.has(task),
      task,
      'what stands in the pool is ready, and stands there once',
    )
    seen.add(task)
  }
  law(state, seen.size === state.pool.length, NONE, 'the pool counts its tasks')
  return seen.size
}

function checkQueue(state: RuntimeState, queue: number, belongs: (task: number) => boolean): number {
  const { queues, tasks } = state
  let length = 0
  for (let level = 0; level < 32; level++) {
    const head = queues.headOf(queue, level)
    law(state, (head !== NONE) === ((queues.mask[queue]! & (1 << level)) !== 0), head, `queue ${queue}: the mask names the levels in use`)
    for (let task = head, prev = NONE; task !== NONE; prev = task, task = tasks.next[task]!, length++) {
      law(state, tasks.status[task] === Status.READY && tasks.at[task] === queue, task, 'what stands in a queue is ready and knows it')
      law(state, tasks.prev[task] === prev && tasks.level[task] === level && belongs(task), task, 'it stands in the right place')
    }
  }
  law(state, length === queues.length[queue], NONE, `queue ${queue}: its length is right`)
  return length
}

function checkWorkers(state: RuntimeState): number {
  let assigned = 0
  for (const worker of state.workers) {
    if (worker === undefined) continue
    const seen = checkWorkerList(state, worker.index)
    law(state, worker.alive || seen.length === 0, NONE, `worker ${worker.index}: a lost worker has no tasks`)
    law(
      state,
      worker.assigned === seen.length && worker.queuedUs === seen.us && worker.ran === seen.ran,
      NONE,
      `worker ${worker.index}: its load is the sum of its tasks`,
    )
    assigned += seen.length
  }
  return assigned
}

function checkWorkerList(state: RuntimeState, index: number): { length: number; us: number; ran: number } {
  const { tasks } = state
  const worker = state.workers[index]!
  let length = 0
  let us = 0
  let ran = 0
  let prev = NONE
  for (let task = worker.head; task !== NONE; prev = task, task = tasks.next[task]!, length++) {
    law(state, tasks.status[task] === Status.ASSIGNED && tasks.at[task] === index, task, 'what stands in a worker’s list is assigned to it')
    law(state, tasks.prev[task] === prev, task, 'a list can be walked both ways')
    law(state, tasks.pinned[task] === NONE || tasks.pinned[task] === worker.host, task, 'a pinned task is where it must run')
    us += Math.min(tasks.charge[task]!, FEED_AHEAD_US)
    if (tasks.charge[task] === 0) ran++
  }
  law(state, worker.tail === prev, NONE, `worker ${index}: its tail is its last task`)
  return { length, us, ran }
}

function checkHosts(state: RuntimeState): void {
  const { hosts, tasks } = state
  const us = new Float64Array(hosts.length)
  for (let t = 0; t < tasks.count; t++) if (tasks.status[t] === Status.ASSIGNED) us[state.workers[tasks.at[t]!]!.host]! += tasks.charge[t]!
  for (const host of hosts) {
    const { index, workers } = host
    const sum = (of: (w: (typeof workers)[number]) => number): number => workers.reduce((n, w) => n + of(w), 0)
    law(
      state,
      workers.every((w) => w.alive && w.host === index),
      NONE,
      `host ${index}: its workers live there`,
    )
    law(state, host.slots === sum((w) => w.slots) && host.assigned === sum((w) => w.assigned), NONE, `host ${index}: sums of its workers`)
    checkRoom(state, index)
    law(state, host.assignedUs === us[index], NONE, `host ${index}: its load is the sum of its tasks`)
    law(state, workers.length > 0 === state.livingHosts.includes(host), NONE, `host ${index}: living hosts are those with workers`)
  }
}

/** What is taken of a host is what its running tasks need, and no more than there is. */
function checkRoom(state: RuntimeState, index: number): void {
  const { hosts, needs, tasks, workers } = state
  let wide = 0
  let memory = 0
  for (let t = 0; t < tasks.count; t++) {
    if (tasks.status[t] !== Status.ASSIGNED || tasks.charge[t] === 0 || workers[tasks.at[t]!]!.host !== index) continue
    wide += needs[tasks.need[t]!]!.units - 1
    memory += needs[tasks.need[t]!]!.memoryMb
  }
  const host = hosts[index]!
  law(state, host.wide === wide && host.memoryTakenMb === memory, NONE, `host ${index}: what is taken is what its tasks need`)
  law(state, memory <= host.memoryMb, NONE, `host ${index}: no more memory is given than there is`)
}

/** No slot stays free on a host that has tasks for it. */
function checkFed(state: RuntimeState): void {
  for (const host of state.livingHosts) {
    if (!host.workers.some((w) => w.freeSlots > 0) || host.freeUnits <= 0) continue
    for (const queue of [QUEUE_ANYWHERE, queueOf(host.index), pinnedQueueOf(host.index)]) {
      law(state, state.queues.length[queue] === 0, state.queues.first(queue), 'no ready task waits beside a free slot of its host')
    }
  }
}
