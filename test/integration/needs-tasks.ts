import { CannotPlaceError, INOUT, StorageObject, task } from '../../runtime/index.js'

export class Tally extends StorageObject {
  n = 0
}

const now = (): number => performance.timeOrigin + performance.now()

/** Runs for a while and says from when to when, on the clock of all threads. */
function spend(ms: number): readonly [number, number] {
  const from = now()
  while (now() - from < ms);
  return [from, now()]
}

export const narrow = task((ms: number) => spend(ms))
export const wide = task((ms: number) => spend(ms), { needs: { units: 2 } })
export const greedy = task((ms: number) => spend(ms), { needs: { memoryMb: 700 } })
export const labelled = task((ms: number) => spend(ms), { needs: { labels: ['lab'] } })
export const labelledElsewhere = task((x: number) => x, { needs: { labels: ['gpu'] } })
export const writesElsewhere = task(
  (tally: Tally) => {
    tally.n++
  },
  { args: [INOUT], needs: { labels: ['gpu'] } },
)
const told = (error: unknown): string => (error instanceof CannotPlaceError ? `${error.code} ${error.message}` : String(error))
/** Tells what its child was refused with. */
export const callsElsewhere = task(async () => {
  try {
    return String(await labelledElsewhere(1))
  } catch (error) {
    return told(error)
  }
})
export const callsInPlace = task(
  async (tally: Tally) => {
    try {
      await writesElsewhere(tally)
    } catch (error) {
      return told(error)
    }
    return String(tally.n)
  },
  { args: [INOUT] },
)
export const callsWideAndLabelled = task(async () => Promise.all([labelled(1), wide(1)]).then((spans) => spans.length))
export const tooWide = task((ms: number) => spend(ms), { needs: { units: 99 } })
