/** Tasks on values that stand in others, for the cases of `written-parts.ts`. A module of its own, so that workers can import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { INOUT, StorageObject, task } from '../../runtime/index.js'
import { Counter } from './model.js'

export interface Part {
  n: number
}

/** A volatile object with values in it. */
export class Holder extends StorageObject {
  part: Part = { n: 0 }
}

/** Every way to hold a part. */
export interface Whole {
  readonly map: Map<string, Part>
  readonly keys: Map<Part, string>
  readonly set: Set<Part>
  readonly record: { readonly deep: { readonly one: Part } }
  readonly list: readonly Part[]
  readonly holder: Holder
}

export const setN = task(
  async (part: Part, n: number) => {
    await delay(20)
    part.n = n
  },
  { args: [INOUT] },
)

const partsOf = ({ map, keys, set, record, list, holder }: Whole): readonly Part[] => [
  ...map.values(),
  ...keys.keys(),
  ...set,
  record.deep.one,
  ...list,
  holder.part,
]

/** What stands in each place, and how many parts they are. */
export const readWhole = task((whole: Whole) => [partsOf(whole).map(({ n }) => n), new Set(partsOf(whole)).size] as const)
export const readInMap = task((map: Map<string, Part>) => map.get('it')!.n)
export const readInRing = task((ring: readonly unknown[]) => [ring[0] === ring, (ring[1] as Part).n] as const)
/** Doubles what stands in a map, once something else is there. */
export const doubleInMap = task(
  (map: Map<string, Part>, _then: unknown) => {
    map.get('it')!.n *= 2
  },
  { args: [INOUT] },
)
export const doubleAll = task(
  (parts: Part[], _then: unknown) => {
    for (const part of parts) part.n *= 2
  },
  { args: [INOUT] },
)
export const partOf = task((n: number): Part => ({ n }))
export const give = task((o: Counter) => o)
export const giveNew = task(async () => new Counter().makePersistent())
export const readN = task((o: Counter) => o.n)
export const addInMap = task(
  async (map: Map<string, Counter>, by: number, ms: number) => {
    const it = map.get('it')!
    const { n } = it
    await delay(ms)
    it.n = n + by
  },
  { args: [INOUT] },
)
