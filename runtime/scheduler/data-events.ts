/** What the driver says of data: that they exist, who holds them, where they lie. */
import { Kind, NONE } from './constants.js'
import type { DataDeclared, DataHeld, DataReleased, LocationsLearned } from './events.js'
import { noteCopy } from './fetches.js'
import { hostAt, type RuntimeState } from './state.js'

export function onDataDeclared(state: RuntimeState, event: DataDeclared): void {
  const { data } = state
  data.reserve(event.first + event.count)
  for (let d = event.first; d < event.first + event.count; d++) {
    if (data.tail[d] !== NONE) throw new RangeError(`datum ${d} is declared again while tasks use it`)
    if (data.kind[d] === Kind.RENAMED) throw new RangeError(`datum ${d} is declared again before it was released`)
    data.declare(d, event.kind, event.holds ?? 0)
  }
}

export function onDataHeld(state: RuntimeState, event: DataHeld): void {
  for (const d of event.data) {
    if (!state.data.isKnown(d)) throw new RangeError(`datum ${d} is held but was not declared or was released`)
    state.data.holds[d]!++
  }
}

export function onDataReleased(state: RuntimeState, event: DataReleased): void {
  const { data } = state
  for (const d of event.data) {
    if (!data.isKnown(d) || data.holds[d] === 0) throw new RangeError(`datum ${d} is released more often than it was held`)
    data.holds[d]!--
    if (data.holds[d] === 0) state.idleData.push(d)
  }
}

export function onLocationsLearned(state: RuntimeState, event: LocationsLearned): void {
  for (let i = 0; i < event.data.length; i++) {
    const d = event.data[i]!
    if (!state.data.isKnown(d)) continue // released while the news was under way
    const host = hostAt(state, event.hosts[i]!)
    setLocation(state, d, event.hosts[i]!, event.bytes[i]!)
    noteCopy(state, d, host)
  }
}

/** A datum's size is what its fullest copy has; partial copies save a part of the way. */
function setLocation(state: RuntimeState, d: number, host: number, bytes: number): void {
  const { data, locations } = state
  dropLocation(state, d, host)
  if (bytes > 0) data.location[d] = locations.take(host, bytes, data.location[d]!)
  let size = 0
  for (let l = data.location[d]!; l !== NONE; l = locations.next[l]!) size = Math.max(size, locations.bytes[l]!)
  data.bytes[d] = size
}

function dropLocation(state: RuntimeState, d: number, host: number): void {
  const { data, locations } = state
  let before = NONE
  for (let l = data.location[d]!; l !== NONE; before = l, l = locations.next[l]!) {
    if (locations.host[l] !== host) continue
    if (before === NONE) data.location[d] = locations.next[l]!
    else locations.next[before] = locations.next[l]!
    return locations.give(l)
  }
}

/** At the end of a step and not before: a batch may take the last reader away and bring the next one. */
export function releaseIdleData(state: RuntimeState): void {
  const { data, idleData } = state
  for (let d = idleData.pop(); d !== undefined; d = idleData.pop()) {
    if (data.kind[d] !== Kind.RENAMED || data.tail[d] !== NONE || data.holds[d] !== 0) continue
    data.kind[d] = Kind.VOID
    state.outbox.release(d)
    forgetLocations(state, d)
    state.fetches.forget(d)
  }
}

function forgetLocations(state: RuntimeState, d: number): void {
  const { data, locations } = state
  for (let l = data.location[d]!; l !== NONE; l = data.location[d]!) {
    data.location[d] = locations.next[l]!
    locations.give(l)
  }
  data.bytes[d] = 0
}
