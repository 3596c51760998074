import { grownFloat64, nextCapacity } from './columns.js'
import { FEED_AHEAD_US, NONE } from './constants.js'

/** Weight of the newest sample: a first run, slowed by the compiler, is forgotten within some ten tasks. */
const NEWEST = 0.25
/** A sample counts for no more than so many times what was expected: a thread that lost its core, or collected garbage, says little of the function. */
const GROWTH_MAX = 4

/** Exponential moving average of microseconds per function. */
export class Durations {
  private us = new Float64Array(0)
  /** Of all functions together, for what is queued and not looked at one by one. */
  meanUs: number = FEED_AHEAD_US
  private samples = 0

  learn(fn: number, microseconds: number): void {
    if (fn >= this.us.length) this.us = grownFloat64(this.us, nextCapacity(this.us.length, fn + 1), NONE)
    const old = this.us[fn]!
    this.us[fn] = old < 0 ? microseconds : averaged(old, microseconds)
    this.meanUs = this.samples++ === 0 ? microseconds : averaged(this.meanUs, microseconds)
  }

  /** NONE if never learned. */
  of(fn: number): number {
    return fn < this.us.length ? this.us[fn]! : NONE
  }
}

const averaged = (old: number, sample: number): number => old + (Math.min(sample, Math.max(1, old) * GROWTH_MAX) - old) * NEWEST
