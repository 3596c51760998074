import type { Crew } from '../crew.js'
import { hostLabels, hostMemoryMb } from '../runtime-config.js'
import type { NamedOffer } from '../tasks/needs.js'

/** All are on this machine, so that each has the machine's memory and labels, and workers of its own. */
export function offersOf(crew: Crew): readonly NamedOffer[] {
  const labels = new Set(hostLabels())
  const memoryMb = hostMemoryMb()
  if (!crew.isSpread) return [{ name: 'this host', slots: crew.workers, memoryMb, labels }]
  const slots = new Map<number, number>()
  for (let worker = 0; worker < crew.workers; worker++) slots.set(crew.hostOf(worker), (slots.get(crew.hostOf(worker)) ?? 0) + 1)
  return [...slots].map(([host, count]) => ({ name: crew.hostName(host), slots: count, memoryMb, labels }))
}
