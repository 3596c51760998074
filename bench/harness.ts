/** What all benchmarks share: samples taken in turns, medians, lines for people or machines. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ConnectOptions, connect } from 'insitu'

/** One timed run. Gives its figure once it has checked its results, and throws when they are wrong. */
export type Sample = () => Promise<number>

export interface Contest {
  readonly case: string
  readonly unit: string
  /** Which of two figures wins. */
  readonly better: 'higher' | 'lower'
  /** Whether everyone runs once without counting; default true. In vain where each sample is a process of its own. */
  readonly warmUp?: boolean
  readonly ours: Sample
  readonly rivals: Readonly<Record<string, Sample>>
}

/** What `--json` prints, one line each. */
export interface Figure {
  readonly bench: string
  readonly case: string
  readonly unit: string
  readonly ours: number
  readonly rivals: Readonly<Record<string, number>>
  /** Ours against the best rival: above 1 we are better, whatever the unit. `null` without a rival. */
  readonly ratio: number | null
  readonly n: number
}

export interface Options {
  readonly samples: number
  readonly json: boolean
  /** Tasks or objects of one sample; each benchmark has a default. */
  readonly count?: number
  /** Megabytes of text. */
  readonly mb?: number
}

export interface Benchmark {
  readonly name: string
  readonly about: string
  /** Names of groups of cases that can be asked for by themselves. */
  readonly cases?: readonly string[]
  run(bench: Bench): Promise<void>
}

/** All figures of a contest, before they are summed up. */
export type Taken = ReadonlyMap<string, readonly number[]>
export type Summary = (figures: readonly number[]) => number

const OURS = 'insitu'

/** One run of one benchmark. */
export class Bench {
  constructor(
    readonly name: string,
    readonly options: Options,
    /** Groups of cases that were asked for; none: all. */
    readonly cases: readonly string[] = [],
  ) {}

  /** Whether a group of cases is to be run. */
  wants(group: string): boolean {
    return this.cases.length === 0 || this.cases.includes(group)
  }

  /** Takes samples of everyone in turns and reports the medians. */
  async contest(contest: Contest): Promise<void> {
    this.report(contest, await this.take(contest))
  }

  /**
   * `samples` rounds in which everyone runs once. Whoever began a round ends the next one: noise of the machine and a grown heap meet
   * all alike.
   */
  async take({ case: title, ours, rivals, warmUp = true }: Contest): Promise<Taken> {
    const everyone = Object.entries({ [OURS]: ours, ...rivals })
    const taken = new Map<string, number[]>(everyone.map(([name]) => [name, []]))
    for (let round = warmUp ? 0 : 1; round <= this.options.samples; round++) {
      this.#progress(`${title}: ${round === 0 ? 'warming up' : `round ${round} of ${this.options.samples}`}`)
      for (const [name, sample] of everyone) {
        const figure = await sample()
        if (round > 0) taken.get(name)!.push(figure)
      }
      everyone.push(everyone.shift()!)
    }
    this.#progress('')
    return taken
  }

  report(contest: Contest, taken: Taken, summary: Summary = median): void {
    const figure = figureOf(this.name, contest, taken, summary)
    process.stdout.write(this.options.json ? `${JSON.stringify(figure)}\n` : textOf(figure, taken))
  }

  /** Said on a terminal only, and not on stdout, which is for figures. */
  #progress(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
  }
}

function figureOf(bench: string, { case: title, unit, better }: Contest, taken: Taken, summary: Summary): Figure {
  const figures = [...taken].map(([name, all]) => [name, rounded(summary(all))] as const)
  const ours = figures.find(([name]) => name === OURS)![1]
  const rivals = figures.filter(([name]) => name !== OURS)
  const all = rivals.map(([, figure]) => figure)
  const ratio = all.length === 0 ? null : better === 'higher' ? ours / Math.max(...all) : Math.min(...all) / ours
  return {
    bench,
    case: title,
    unit,
    ours,
    rivals: Object.fromEntries(rivals),
    ratio: ratio === null ? null : rounded(ratio),
    n: taken.get(OURS)!.length,
  }
}

function textOf({ bench, case: title, unit, ours, rivals, ratio, n }: Figure, taken: Taken): string {
  const lines = Object.entries({ [OURS]: ours, ...rivals }).map(
    ([name, figure]) => `  ${name.padEnd(24)}${shown(figure).padStart(12)} ${unit.padEnd(10)} ${spreadOf(taken.get(name)!)}`,
  )
  const against = ratio === null ? '' : `; ${ratio} x the best rival (above 1: insitu is better)`
  return `${bench}: ${title} (n = ${n}${against})\n${lines.join('\n')}\n\n`
}

const spreadOf = (all: readonly number[]): string => `${shown(Math.min(...all))} to ${shown(Math.max(...all))}`
const shown = (figure: number): string => rounded(figure).toLocaleString('en-GB', { maximumSignificantDigits: 4 })
/** Four digits are more than any of this repeats to. */
const rounded = (figure: number): number => Number(figure.toPrecision(4))

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

setFlagsFromString('--expose-gc')
/**
 * Frees what nobody holds, so that a timed part pays for its own garbage and not for what prepared or checked others. Only where what is
 * timed lives on through all samples: the engine throws away code that it has made for objects that are gone.
 */
export const collectGarbage = runInNewContext('gc') as () => void

/** How often `count` things were done in a second. */
export async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (count * 1000) / (performance.now() - start)
}

export function mustEqual(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`)
}

export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-bench-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A program that begins with nothing in memory, and has one store open. */
export async function inProgram<T>(url: string, body: () => Promise<T>, options: ConnectOptions = {}): Promise<T> {
  const store = await connect(url, options)
  try {
    return await body()
  } finally {
    await store.close()
  }
}
