import { isInsituError } from '../../src/errors.js'
import { Chance } from './chance.js'
import { type Mutant, mutantsOf, sameBytes } from './mutants.js'
import type { Sample, Target } from './targets.js'

export interface Failure {
  readonly target: string
  /** With the seed, enough to see it again: `--seed S --round N`. */
  readonly round: number
  readonly how: string
  readonly what: string
}

export interface Totals {
  readonly rounds: number
  readonly cases: number
  /** Refused with a typed error. */
  readonly refused: number
  /** Read, and nothing was wrong with what was read. */
  readonly accepted: number
  readonly failures: readonly Failure[]
}

/** One reading of some hundred bytes; a garbage collection in between is no fault of the reader. */
const SLOW_MS = 1000
/** Kept or claimed by one reading, at most: inputs have some kilobytes. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024

/** One sample of one target in all its mutants. */
export class Fuzzer {
  rounds = 0
  cases = 0
  refused = 0
  accepted = 0
  readonly failures: Failure[] = []
  readonly #guard = new PrototypeGuard()
  #memory = process.memoryUsage().arrayBuffers

  constructor(
    readonly seed: number,
    readonly targets: Readonly<Record<string, Target>>,
    /** Told each case before it is read: the last one is what a process died of. */
    readonly onCase: (round: number, nth: number) => void = () => {},
  ) {}

  round(nth: number): void {
    const names = Object.keys(this.targets)
    const name = names[nth % names.length]!
    // Spread, so that neighbours have nothing in common.
    const chance = new Chance((Math.imul(this.seed, 0x9e3779b1) ^ Math.imul(nth + 1, 0x85ebca6b)) >>> 0)
    const target = this.targets[name]!
    const sample = target(chance)
    const other = target(chance)
    const fail = (how: string, what: string): void => void this.failures.push({ target: name, round: nth, how, what })
    this.rounds++
    this.#sound(sample, fail)
    let at = 0
    for (const mutant of mutantsOf(sample.bytes, other.bytes, chance)) {
      this.onCase(nth, at++)
      if (!sameBytes(mutant.bytes, sample.bytes)) this.#case(sample, mutant, fail)
    }
  }

  #sound(sample: Sample, fail: (how: string, what: string) => void): void {
    try {
      const found = sample.read(sample.bytes)
      if (sample.isRight && !sample.isRight(sample.bytes, found)) fail('unchanged', 'it is not what was written')
    } catch (error) {
      fail('unchanged', `it is refused: ${textOf(error)}`)
    }
  }

  #case(sample: Sample, { bytes, how }: Mutant, fail: (how: string, what: string) => void): void {
    this.cases++
    const startMs = performance.now()
    const before = process.cpuUsage()
    const outcome = outcomeOf(sample, bytes)
    if (outcome === 'refused') this.refused++
    else if (outcome === 'accepted') this.accepted++
    else fail(how, outcome)
    // Of the processor's time: by the clock it is a machine that stood still.
    if (performance.now() - startMs > SLOW_MS) {
      const { user, system } = process.cpuUsage(before)
      if (user + system > SLOW_MS * 1000) fail(how, `it took ${Math.round((user + system) / 1000)} ms`)
    }
    const { arrayBuffers } = process.memoryUsage()
    const taken = arrayBuffers - this.#memory
    this.#memory = arrayBuffers
    if (taken > MEMORY_BYTES_MAX) fail(how, `it took ${taken} bytes of memory for ${bytes.length}`)
    const changed = this.#guard.changed()
    if (changed) fail(how, `it changed ${changed}`)
  }
}

/** `refused`, `accepted`, or what is wrong. */
function outcomeOf(sample: Sample, bytes: Uint8Array): string {
  let found: unknown
  try {
    found = sample.read(bytes)
  } catch (error) {
    return isInsituError(error) ? 'refused' : `an error without a type: ${textOf(error)}`
  }
  if (sample.isSealed) return 'a changed record was taken for sound'
  const stranger = strangerIn(found)
  if (stranger) return stranger
  try {
    return sample.isRight?.(bytes, found) === false ? 'a wrong value was taken for right' : 'accepted'
  } catch (error) {
    return `what was read cannot be written again: ${textOf(error)}`
  }
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' ') : String(error)

/** An object whose prototype came out of the bytes, or that makes others believe so. */
function strangerIn(root: unknown): string | undefined {
  const seen = new Set<unknown>()
  const queue = [root]
  for (let value = queue.pop(); seen.size < 2000 && (value !== undefined || queue.length > 0); value = queue.pop()) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    const proto: unknown = Object.getPrototypeOf(value)
    if (proto !== null && !Object.hasOwn(proto as object, 'constructor')) return 'an object got a prototype out of the bytes'
    if (value instanceof Map) queue.push(...value.keys(), ...value.values())
    else if (value instanceof Set) queue.push(...value)
    else if (!ArrayBuffer.isView(value)) queue.push(...Object.values(value))
  }
  return undefined
}

/** Everybody's prototypes, before and after. */
class PrototypeGuard {
  readonly #prototypes: readonly (readonly [string, object])[] = Object.entries({
    Object: Object.prototype,
    Array: Array.prototype,
    Function: Function.prototype,
    Map: Map.prototype,
    Set: Set.prototype,
    Date: Date.prototype,
    Error: Error.prototype,
    RegExp: RegExp.prototype,
    Uint8Array: Uint8Array.prototype,
  })
  #counts = this.#count()

  changed(): string | undefined {
    const counts = this.#count()
    const at = counts.findIndex((count, i) => count !== this.#counts[i])
    // Told once: it stays so for all that come after.
    this.#counts = counts
    return at < 0 ? undefined : `the prototype of ${this.#prototypes[at]![0]}`
  }

  #count(): number[] {
    return this.#prototypes.map(([, prototype]) => Reflect.ownKeys(prototype).length)
  }
}
