/**
 * Data on their way to hosts where tasks are going to read them. Planning says what each host wants, in order; no more is asked for
 * at a time than keeps the host's link busy, so that what becomes urgent later need not wait behind it.
 */
import { FETCHES_MAX, isSettled, NONE } from './constants.js'
import type { FetchesEnded } from './events.js'
import type { RuntimeState } from './state.js'
import type { Host } from './workers.js'

interface Coming {
  readonly host: Host
  readonly from: Host | undefined
  readonly bytes: number
}

export interface Want {
  readonly datum: number
  readonly task: number
}

export class Fetches {
  private readonly coming = new Map<number, Coming[]>()
  /** Hosts that could not get a datum ahead: their tasks fetch it when they start. */
  private readonly refused = new Map<number, Set<Host>>()

  isComing(datum: number, host: Host): boolean {
    return this.coming.get(datum)?.some((c) => c.host === host) ?? false
  }

  wasRefused(datum: number, host: Host): boolean {
    return this.refused.get(datum)?.has(host) ?? false
  }

  /** Hosts to which it is on its way. */
  hostsOf(datum: number): readonly Coming[] {
    return this.coming.get(datum) ?? NOBODY
  }

  add(datum: number, coming: Coming): void {
    const others = this.coming.get(datum)
    if (others) others.push(coming)
    else this.coming.set(datum, [coming])
    count(coming, 1)
  }

  /** False if it was not on its way. */
  end(datum: number, host: Host): boolean {
    const all = this.coming.get(datum)
    const at = all?.findIndex((c) => c.host === host) ?? NONE
    if (all === undefined || at === NONE) return false
    count(all[at]!, -1)
    all.splice(at, 1)
    if (all.length === 0) this.coming.delete(datum)
    return true
  }

  refuse(datum: number, host: Host): void {
    const hosts = this.refused.get(datum)
    if (hosts) hosts.add(host)
    else this.refused.set(datum, new Set([host]))
  }

  /** The datum is gone. */
  forget(datum: number): void {
    for (const coming of this.coming.get(datum) ?? []) count(coming, -1)
    this.coming.delete(datum)
    this.refused.delete(datum)
  }

  /** The host is gone, and with it what was on its way there. */
  forgetHost(host: Host): void {
    for (const datum of [...this.coming.keys()]) this.end(datum, host)
    for (const hosts of this.refused.values()) hosts.delete(host)
    host.wants.length = 0
    host.awaiting.clear()
    host.later.length = 0
  }

  get isEmpty(): boolean {
    return this.coming.size === 0
  }
}

const NOBODY: readonly Coming[] = []

function count({ host, from, bytes }: Coming, by: 1 | -1): void {
  host.fetching += by
  host.fetchingBytes += by * bytes
  if (from !== undefined) from.sendingBytes += by * bytes
}

export function onFetchesEnded(state: RuntimeState, event: FetchesEnded): void {
  const host = state.hosts[event.host]
  if (host === undefined) return
  for (const datum of event.data) {
    if (!state.fetches.end(datum, host) || !state.data.isKnown(datum) || missingAt(state, datum, host) <= 0) continue
    state.fetches.refuse(datum, host)
    state.isPlanDue = true
  }
}

/** A host has all of a datum now: planning is due if a task lacks nothing else, or if nobody had planned it. */
export function noteCopy(state: RuntimeState, datum: number, host: Host): void {
  if (!state.fetches.isComing(datum, host)) state.isPlanDue = true
  const tasks = host.awaiting.get(datum)
  if (tasks === undefined) return
  host.awaiting.delete(datum)
  for (const task of tasks) if (--state.tasks.lacks[task]! === 0) state.isPlanDue = true
}

/** Bytes of the datum that the host has not got. */
export function missingAt(state: RuntimeState, datum: number, host: Host): number {
  const { data, locations } = state
  for (let l = data.location[datum]!; l !== NONE; l = locations.next[l]!)
    if (locations.host[l] === host.index) return data.bytes[datum]! - locations.bytes[l]!
  return data.bytes[datum]!
}

/** The holder of the whole datum that sends least at present. */
export function sourceOf(state: RuntimeState, datum: number): Host | undefined {
  const { data, hosts, locations } = state
  let source: Host | undefined
  for (let l = data.location[datum]!; l !== NONE; l = locations.next[l]!) {
    const holder = hosts[locations.host[l]!]!
    const isWhole = locations.bytes[l] === data.bytes[datum]
    if (isWhole && (source === undefined || holder.sendingBytes < source.sendingBytes)) source = holder
  }
  return source
}

export function issueFetches(state: RuntimeState): void {
  for (const host of state.livingHosts) {
    if (host.wants.length > 0) issue(state, host, host.wants)
    if (host.later.length > 0) issue(state, host, host.later)
  }
}

function issue(state: RuntimeState, host: Host, wants: Want[]): void {
  let next = 0
  for (; next < wants.length && host.fetching < FETCHES_MAX; next++) ask(state, host, wants[next]!)
  wants.splice(0, next)
}

function ask(state: RuntimeState, host: Host, { datum, task }: Want): void {
  const { fetches, tasks } = state
  if (isSettled(tasks.status[task]!) || !state.data.isKnown(datum)) return
  const bytes = missingAt(state, datum, host)
  if (bytes <= 0 || fetches.isComing(datum, host) || fetches.wasRefused(datum, host)) return
  fetches.add(datum, { host, from: sourceOf(state, datum), bytes })
  tasks.moves[task]! += bytes
  state.outbox.fetch(host.index, datum, task)
}
