import { grownFloat64, nextCapacity } from './columns.js'
import { FEED_AHEAD_US, NONE } from './constants.js'

/** Weight of the newest sample: a first run, slowed by the compiler, is forgotten within some ten tasks. */
const NEWEST = 0.25

/** Exponential moving average of microseconds per function. */
export class Durations {
  private us = new Float64Array(0)
  /** Of all functions together, for what is queued and not looked at one by one. */
  meanUs: number = FEED_AHEAD_US
  private samples = 0

  learn(fn: number, microseconds: number): void {
    if (fn >= this.us.length) this.us = grownFloat64(this.us, nextCapacity(this.us.length, fn + 1), NONE)
    const old = this.us[fn]!
    this.us[fn] = old < 0 ? microseconds : old + (microseconds - old) * NEWEST
    this.meanUs = this.samples++ === 0 ? microseconds : this.meanUs + (microseconds - this.meanUs) * NEWEST
  }

  /** NONE if never learned. */
  of(fn: number): number {
    return fn < this.us.length ? this.us[fn]! : NONE
  }
}
