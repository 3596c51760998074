import { INOUT, StorageObject, task } from 'insitu'

/** One part of the values; it lies on one host. */
export class Values extends StorageObject {
  numbers = new Float64Array(0)
}

/** The parts of one host. */
export class Site extends StorageObject {
  parts: Values[] = []
}

export class Dataset extends StorageObject {
  sites: Site[] = []
}

export const BINS = 64

/** Makes the parts of a site on its host: they are never anywhere else. */
export const fill = task(
  async (site: Site, host: string, parts: number, length: number, seed: number) => {
    for (let i = 0; i < parts; i++) {
      const values = new Values()
      values.numbers = randomNumbers(length, seed + i)
      site.parts.push(await values.makePersistent(undefined, { host }))
    }
  },
  { args: [INOUT] },
)

/** How many of a part's values, which lie between 0 and 1, fall into each bin. */
export const histogramOf = task((values: Values) => {
  const counts = new Uint32Array(BINS)
  for (const number of values.numbers) counts[Math.min(BINS - 1, Math.floor(number * BINS))]!++
  return counts
})

export const sumOf = task((a: Uint32Array, b: Uint32Array) => a.map((count, bin) => count + b[bin]!))

/** The mean of two draws, so that the middle is fuller than the ends; the same numbers for the same seed. */
function randomNumbers(length: number, seed: number): Float64Array<ArrayBuffer> {
  let state = seed * 2_654_435_761 + 1
  const draw = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return Float64Array.from({ length }, () => (draw() + draw()) / 2)
}
