/**
 * What waits for what. Each datum has a chain of groups: runs of accesses that need not wait for one another. Only the first group
 * is open; when its last member settles, the next one opens and its members miss one thing less. So an access costs O(1) whatever
 * the fan-in and fan-out, where edges between tasks would cost (concurrent writers × readers).
 *
 * Read-after-write, write-after-read and write-after-write are all this one rule. Renamed data never have an access after which a
 * write comes, so they have no write-after-read by construction.
 */
import { Access, Kind, NONE, Status } from './constants.js'
import { noteInput } from './outlook.js'
import { becomeReady } from './ready.js'
import type { RuntimeState } from './state.js'

/** The mode by which a chain groups accesses: DELETE is a writer of kept data, a reader of renamed ones. */
export function modeOf(access: number, kind: number): Access {
  if (access !== Access.DELETE) return access as Access
  return kind === Kind.KEPT ? Access.WRITE : Access.READ
}

/** Puts an access at the end of its datum's chain. True if it is granted at once. */
export function join(state: RuntimeState, a: number): boolean {
  const { accesses, groups, data } = state
  const d = accesses.datum(a)
  const mode = accesses.mode(a)
  let g = data.tail[d]!
  if (g === NONE || mode === Access.WRITE || groups.mode(g) !== mode || groups.isCut(g)) g = addGroup(state, d, mode)
  accesses.setGroup(a, g)
  const free = data.head[d] === g && (mode !== Access.COMMUTATIVE || groups.turn(g) === NONE)
  groups.addPending(g, 1)
  if (free) take(state, a)
  else enlist(state, g, a)
  return free
}

function take(state: RuntimeState, a: number): void {
  const { accesses, groups } = state
  accesses.grant(a)
  const g = accesses.group(a)
  if (groups.mode(g) === Access.COMMUTATIVE) groups.setTurn(g, a)
}

function addGroup(state: RuntimeState, d: number, mode: number): number {
  const { groups, data } = state
  const g = groups.take(d, mode)
  const tail = data.tail[d]!
  if (tail === NONE) data.head[d] = g
  else groups.setNext(tail, g)
  data.tail[d] = g
  return g
}

function enlist(state: RuntimeState, g: number, a: number): void {
  const { accesses, groups } = state
  const last = groups.last(g)
  if (last === NONE) groups.setFirst(g, a)
  else accesses.setNextOfGroup(last, a)
  groups.setLast(g, a)
  accesses.setListed(a, true)
}

/** A task has settled: its accesses leave their groups, which may open the next ones. */
export function leaveAll(state: RuntimeState, task: number): void {
  const { accesses, tasks } = state
  let a = tasks.access[task]!
  tasks.access[task] = NONE
  while (a !== NONE) {
    const next = accesses.nextOfTask(a)
    leave(state, a)
    a = next
  }
}

function leave(state: RuntimeState, a: number): void {
  const { accesses, groups } = state
  const g = accesses.group(a)
  if (!accesses.isGranted(a)) {
    // Still in its group's list: the group frees the row when it opens.
    groups.addPending(g, -1)
    accesses.leaveToGroup(a)
    return
  }
  if (g !== NONE && groups.turn(g) === a) groups.setTurn(g, NONE)
  // One that had its turn before those in front of it still stands in the list, and goes when the list comes to it.
  if (g !== NONE && accesses.isListed(a)) accesses.leaveToGroup(a)
  else accesses.give(a)
  if (g === NONE) return
  if (groups.addPending(g, -1) === 0) advance(state, groups.datum(g))
  else if (groups.mode(g) === Access.COMMUTATIVE) grantNext(state, g)
}

/** Drops the first group, which has no pending member, and those behind it that have none either; opens what is then first. */
function advance(state: RuntimeState, d: number): void {
  const { groups, data } = state
  let g = data.head[d]!
  do {
    const next = groups.next(g)
    unlist(state, g) // all that may be left in it are rows of settled tasks
    state.seekers.delete(g)
    groups.give(g)
    g = next
  } while (g !== NONE && groups.pending(g) === 0)
  data.head[d] = g
  if (g !== NONE) return open(state, g)
  data.tail[d] = NONE
  state.idleData.push(d)
}

function open(state: RuntimeState, g: number): void {
  if (state.groups.mode(g) === Access.COMMUTATIVE) return grantNext(state, g)
  for (let a = unlist(state, g); a !== NONE; a = unlist(state, g)) grantAccess(state, a)
}

/** Takes the first listed member that is still pending; frees rows of those that settled while they stood in the list. */
function unlist(state: RuntimeState, g: number): number {
  const { accesses, groups } = state
  for (let a = groups.first(g); a !== NONE; a = groups.first(g)) {
    const next = accesses.nextOfGroup(a)
    groups.setFirst(g, next)
    if (next === NONE) groups.setLast(g, NONE)
    if (accesses.task(a) === NONE) accesses.give(a)
    else {
      accesses.setListed(a, false)
      if (!accesses.isGranted(a)) return a
    }
  }
  return NONE
}

/** The next turn: the first that lacked nothing else when it asked, or else the first in the list. */
function grantNext(state: RuntimeState, g: number): void {
  const seeker = nextSeeker(state, g)
  const a = seeker === NONE ? unlist(state, g) : seeker
  if (a !== NONE) grantAccess(state, a)
}

function nextSeeker(state: RuntimeState, g: number): number {
  const { accesses, seekers, tasks } = state
  const waiting = seekers.get(g)
  while (waiting !== undefined && waiting.next < waiting.tasks.length) {
    const task = waiting.tasks[waiting.next++]!
    const a = ungranted(state, task)
    if (tasks.status[task] === Status.WAITING && tasks.missing[task] === 1 && a !== NONE && accesses.group(a) === g) return a
  }
  return NONE
}

function ungranted({ accesses, tasks }: RuntimeState, task: number): number {
  let a = tasks.access[task]!
  while (a !== NONE && accesses.isGranted(a)) a = accesses.nextOfTask(a)
  return a
}

/**
 * A task lacks only its turn in a COMMUTATIVE group. If whoever has the turn still waits for something else it passes it on: the
 * order in the group is free, and a turn that is only held is time lost. Turns go to nobody but those who start at once, or else in
 * the order of submission; so no two tasks of several groups can each hold what the other lacks.
 */
export function askForTurn(state: RuntimeState, task: number): void {
  const { accesses, data, groups, seekers, tasks } = state
  const a = ungranted(state, task)
  const g = a === NONE ? NONE : accesses.group(a)
  if (g === NONE || groups.mode(g) !== Access.COMMUTATIVE) return
  const holder = data.head[groups.datum(g)] === g ? groups.turn(g) : NONE
  if (holder === NONE || tasks.status[accesses.task(holder)] !== Status.WAITING) {
    const waiting = seekers.get(g)
    if (waiting) waiting.tasks.push(task)
    else seekers.set(g, { tasks: [task], next: 0 })
    return
  }
  giveBack(state, g, holder)
  grantAccess(state, a)
}

/** The holder stands first again, or where it still stands. */
function giveBack({ accesses, groups, tasks }: RuntimeState, g: number, holder: number): void {
  accesses.takeBack(holder)
  tasks.missing[accesses.task(holder)]!++
  if (accesses.isListed(holder)) return
  accesses.setNextOfGroup(holder, groups.first(g))
  accesses.setListed(holder, true)
  if (groups.first(g) === NONE) groups.setLast(g, holder)
  groups.setFirst(g, holder)
}

function grantAccess(state: RuntimeState, a: number): void {
  const { accesses } = state
  take(state, a)
  noteInput(state, accesses.task(a), accesses.datum(a))
  grant(state, accesses.task(a))
}

/** One thing less that the task waits for. */
export function grant(state: RuntimeState, task: number): void {
  const missing = --state.tasks.missing[task]!
  if (missing > 1 || state.tasks.status[task] !== Status.WAITING) return
  if (missing === 0) becomeReady(state, task)
  else askForTurn(state, task)
}

/**
 * Cuts off all groups behind `g`, because what their members wait for will not come; `onMember` is told each member still waiting.
 * Cutting is what keeps cancellation linear: no group is ever walked twice.
 */
export function cutBehind(state: RuntimeState, g: number, onMember: (task: number) => void): void {
  const { accesses, groups, data, tasks } = state
  let behind = groups.next(g)
  groups.setNext(g, NONE)
  groups.setCut(g)
  data.tail[groups.datum(g)] = g
  while (behind !== NONE) {
    const next = groups.next(behind)
    for (let a = unlist(state, behind); a !== NONE; a = unlist(state, behind)) {
      accesses.grant(a)
      accesses.setGroup(a, NONE)
      const task = accesses.task(a)
      const isGiven = tasks.status[task] === Status.ASSIGNED
      if (isGiven) tasks.missing[task]!--
      if (isGiven || tasks.status[task] === Status.WAITING) onMember(task)
    }
    state.seekers.delete(behind)
    groups.give(behind)
    behind = next
  }
}
