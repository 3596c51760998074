/** When the units of one host are expected to be free, and what was promised of that time. In milliseconds of the driver's clock. */
export class Timeline {
  /** When each unit is free for good, earliest first. */
  private readonly free: number[] = []
  /** Units idle until something promised begins. */
  private readonly gaps: { from: number; to: number }[] = []
  /** The gap that the last `earliest` found, or -1. */
  private gap = -1

  clear(): void {
    this.free.length = 0
    this.gaps.length = 0
  }

  add(free: number): void {
    this.free.push(free)
  }

  order(): void {
    this.free.sort((a, b) => a - b)
  }

  get units(): number {
    return this.free.length
  }

  /** Units that are free at this time and not promised. */
  idle(now: number): number {
    let n = 0
    while (n < this.free.length && this.free[n]! <= now) n++
    return n
  }

  /** The earliest start, not before `ready`, of something that takes `units` for `ms`: in a gap, if it fits one. */
  earliest(units: number, ready: number, ms: number): number {
    this.gap = -1
    let start = Math.max(ready, this.free[units - 1]!)
    if (units > 1) return start
    for (let g = 0; g < this.gaps.length; g++) {
      const { from, to } = this.gaps[g]!
      const inGap = Math.max(from, ready)
      if (inGap >= start || inGap + ms > to) continue
      start = inGap
      this.gap = g
    }
    return start
  }

  /** Promises what `earliest` was just asked for. */
  promise(units: number, start: number, ms: number): void {
    if (this.gap >= 0) return this.promiseGap(start, ms)
    const { free } = this
    for (let u = 0; u < units; u++) if (free[u]! < start) this.gaps.push({ from: free[u]!, to: start })
    const end = start + ms
    let place = units
    while (place < free.length && free[place]! < end) place++
    free.copyWithin(0, units, place)
    free.fill(end, place - units, place)
  }

  private promiseGap(start: number, ms: number): void {
    const { from, to } = this.gaps[this.gap]!
    this.gaps.splice(this.gap, 1)
    if (start > from) this.gaps.push({ from, to: start })
    if (start + ms < to) this.gaps.push({ from: start + ms, to })
  }
}
