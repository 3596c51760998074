import { CannotPlaceError, ValidationError } from '../../src/errors.js'
import { ANY_HOST, misfit, type Need, type Offer } from '../scheduler/needs.js'
import type { TaskDefinition } from './task.js'

/** What a task takes of the host that it runs on, while it runs. */
export interface TaskNeeds {
  /** Computing units: workers of the host that stand still for it, its own included. Default 1. */
  readonly units?: number
  /** Megabytes of the host's memory that others leave to it. Default 0. */
  readonly memoryMb?: number
  /** Labels that the host must have. Default none. */
  readonly labels?: readonly string[]
}

/** Checked, with what was left out. Throws a ValidationError that names the option. */
export function neededBy(needs: TaskNeeds): Need {
  if (typeof needs !== 'object' || needs === null) throw new ValidationError(`needs is { units, memoryMb, labels }, not ${String(needs)}`)
  const { units = 1, memoryMb = 0, labels = [], ...others } = needs
  for (const name of Object.keys(others)) throw new ValidationError(`needs has no ${name}: it is { units, memoryMb, labels }`)
  if (!Number.isInteger(units) || units < 1) throw new ValidationError(`needs.units is a whole number from 1, not ${String(units)}`)
  if (!(memoryMb >= 0 && Number.isFinite(memoryMb))) throw new ValidationError(`needs.memoryMb is a number from 0, not ${String(memoryMb)}`)
  if (!Array.isArray(labels) || labels.some((label) => typeof label !== 'string' || label === ''))
    throw new ValidationError('needs.labels is an array of texts')
  return units === 1 && memoryMb === 0 && labels.length === 0 ? ANY_HOST : { units, memoryMb, labels: [...labels] }
}

/** A host of the run, as the task would find it with nothing else running. */
export interface NamedOffer extends Offer {
  readonly name: string
}

let offersOfRun = (): readonly NamedOffer[] => []

/** Where this thread learns what the hosts of its run have. */
export function learnOffers(from: () => readonly NamedOffer[]): void {
  offersOfRun = from
}

/** The same as `assertPlaceable`, of the hosts of the run that this thread belongs to. */
export function assertFits({ name, options: { needs } }: Pick<TaskDefinition, 'name' | 'options'>): void {
  if (needs) assertPlaceable(name, needs, offersOfRun())
}

/** Throws a CannotPlaceError if no host of the run can ever run such a task: it would wait for ever. */
export function assertPlaceable(task: string, needs: TaskNeeds, offers: readonly NamedOffer[]): void {
  const need = neededBy(needs)
  const reasons = offers.map((offer) => ({ offer, why: misfit(need, offer) }))
  if (reasons.length === 0 || reasons.some(({ why }) => why === undefined)) return
  const { offer, why } = reasons.reduce((best, next) => (nearness(need, next.offer) > nearness(need, best.offer) ? next : best))
  throw new CannotPlaceError(
    `task ${task} ${why} on ${offer.name}, which comes nearest of ${offers.length}: change its needs, or add such a host; INSITU_WORKERS, INSITU_MEMORY_MB and INSITU_LABELS say what this one has`,
    {
      task,
      needs: need,
      best: { host: offer.name, units: offer.slots, memoryMb: offer.memoryMb, labels: [...offer.labels] },
    },
  )
}

/** How much of what is needed there is: of labels each, of units and memory the share. */
function nearness(need: Need, { slots, memoryMb, labels }: Offer): number {
  const share = (has: number, needed: number): number => (needed === 0 ? 1 : Math.min(1, has / needed))
  const labelled = need.labels.filter((label) => labels.has(label)).length
  return labelled + share(slots, need.units) + share(memoryMb, need.memoryMb)
}
