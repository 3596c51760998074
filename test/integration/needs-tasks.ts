import { task } from '../../runtime/index.js'

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
export const tooWide = task((ms: number) => spend(ms), { needs: { units: 99 } })
