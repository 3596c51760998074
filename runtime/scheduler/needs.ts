/** What a task needs of its host, and whether a host has it. */
import type { Host } from './workers.js'

export interface Need {
  /** Computing units: slots of the host that it takes while it runs. */
  readonly units: number
  /** Memory of the host, in megabytes, that it takes while it runs. */
  readonly memoryMb: number
  /** What the host must be labelled with. */
  readonly labels: readonly string[]
}

export const ANY_HOST: Need = { units: 1, memoryMb: 0, labels: [] }

/** What a host has, if nothing runs there. */
export type Offer = Pick<Host, 'slots' | 'memoryMb' | 'labels'>

/** Why this host can never run such a task, or undefined if it can. */
export function misfit(need: Need, { slots, memoryMb, labels }: Offer): string | undefined {
  if (need.units > slots) return `needs ${need.units} computing units and there are ${slots}`
  if (need.memoryMb > memoryMb) return `needs ${need.memoryMb} MB of memory and there are ${memoryMb}`
  const missing = need.labels.filter((label) => !labels.has(label))
  if (missing.length > 0)
    return `needs the label ${quoted(missing).join(' and ')} and there are ${quoted([...labels]).join(', ') || 'none'}`
  return undefined
}

const quoted = (labels: readonly string[]): readonly string[] => labels.map((label) => `'${label}'`)

/** Whether it could start now, as far as units and memory of the host go. */
export const hasRoom = (need: Need, host: Host): boolean => host.freeUnits >= need.units && host.freeMemoryMb >= need.memoryMb
