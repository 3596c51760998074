/** Random programs of task calls, with everything they refer to made out: what runs them and what predicts them read the same. */
import fc from 'fast-check'
import type { Direction } from 'insitu'
import { type Act, type ChildKind, ROWS, type Shape } from './runtime-body.js'

/** What a call works on: a stored object or a volatile value of the program. */
export type Place = { readonly cell: number } | { readonly value: number }

export type Part =
  | { readonly x: number }
  | { readonly result: number }
  | { readonly known: number }
  | { readonly promised: number }
  /** A promise that gives an object: one of the program's, or the error that it rejects with. */
  | { readonly gives: number }
  | { readonly rejects: number }

export interface Inputs {
  readonly as: 'single' | 'list' | 'map' | 'object' | 'nested'
  readonly parts: readonly Part[]
}

export interface Call {
  readonly step: 'call'
  readonly number: number
  readonly fn: Fn
  readonly places: readonly (Place | null)[]
  readonly inputs: Inputs
  readonly acts: readonly Act[]
  readonly shape: Shape
  /** What it gives may be lost with its host. Such calls take nothing that may be lost, so that it is plain which is which. */
  readonly mayLose: boolean
  readonly options: { readonly priority?: number; readonly timeoutMs?: number; readonly needs?: { readonly units: number } }
}

export type Step =
  | Call
  | { readonly step: 'await' | 'cancel'; readonly of: number }
  | { readonly step: 'waitOn'; readonly place: Place }
  | { readonly step: 'barrier' | 'pause' }
  | { readonly step: 'completed'; readonly last: number }
  | { readonly step: 'change'; readonly value: number; readonly x: number }
  | { readonly step: 'save'; readonly cell: number; readonly x: number }
  | { readonly step: 'group'; readonly steps: readonly Step[]; readonly cancels: boolean }
  /** Some time later a worker or an agent, whichever it is that runs tasks, is killed. */
  | { readonly step: 'kill'; readonly which: number; readonly afterMs: number }

export interface Program {
  readonly cells: number
  readonly values: number
  readonly calls: number
  readonly steps: readonly Step[]
}

/** Directions of the two things by task. */
export const FNS = {
  reads: ['IN', 'IN'],
  inout: ['INOUT', 'IN'],
  both: ['INOUT', 'INOUT'],
  out: ['OUT', 'IN'],
  concurrent: ['CONCURRENT', 'IN'],
  concurrently: ['CONCURRENT', 'CONCURRENT'],
  commutative: ['COMMUTATIVE', 'IN'],
  commutatively: ['COMMUTATIVE', 'COMMUTATIVE'],
  mixed: ['COMMUTATIVE', 'INOUT'],
  last: ['IN_DELETE', 'INOUT'],
  retries: ['INOUT', 'COMMUTATIVE'],
  ignored: ['INOUT', 'INOUT'],
  stops: ['INOUT', 'IN'],
  write: ['INOUT'],
  look: ['IN'],
  addTo: ['COMMUTATIVE'],
  all: ['INOUT', 'INOUT'],
  lookAll: ['IN', 'IN'],
} as const satisfies Record<string, readonly Direction[]>
export type Fn = keyof typeof FNS
export const METHODS: readonly Fn[] = ['write', 'look', 'addTo']
export const LISTS: readonly Fn[] = ['all', 'lookAll']

/** What may happen in the programs of a run. */
export interface Wishes {
  readonly fails: boolean
  readonly cancels: boolean
  readonly stops: boolean
  readonly deletes: boolean
  /** Bodies end their workers, once each. */
  readonly dies: boolean
  /** Workers or agents are killed from outside. */
  readonly kills: boolean
  /** Large outcomes outlive those who made them, or nobody is lost. */
  readonly keepsLarge: boolean
  /** Promises among arguments reject, or give objects. */
  readonly promises: boolean
  /** The program itself is killed, and made to go on: what it does by itself must come to the same a second time. */
  readonly resumes: boolean
  readonly steps: number
}

const act = fc.record({
  pick: fc.nat(99),
  at: fc.constantFrom(0 as const, 1 as const),
  x: fc.integer({ min: 1, max: 50 }),
  row: fc.nat(ROWS - 1),
})
type RawAct = typeof act extends fc.Arbitrary<infer T> ? T : never

const part = fc.record({ pick: fc.nat(99), x: fc.nat(1000) })

const rawStep = fc.record({
  pick: fc.nat(99),
  fn: fc.constantFrom(...(Object.keys(FNS) as Fn[])),
  a: fc.nat(99),
  b: fc.nat(99),
  as: fc.constantFrom<Inputs['as']>('single', 'single', 'list', 'map', 'object', 'nested'),
  parts: fc.array(part, { maxLength: 3 }),
  acts: fc.array(act, { maxLength: 4 }),
  shape: fc.constantFrom<Shape>('number', 'number', 'object', 'map', 'list', 'bytes', 'nothing'),
  options: fc.nat(29),
  trouble: fc.nat(199),
  x: fc.integer({ min: 1, max: 1000 }),
})
type RawStep = typeof rawStep extends fc.Arbitrary<infer T> ? T : never

export const programs = (wishes: Wishes): fc.Arbitrary<Program> =>
  fc
    .record({
      cells: fc.integer({ min: 1, max: 3 }),
      values: fc.integer({ min: 1, max: 2 }),
      raw: fc.array(rawStep, { minLength: 1, maxLength: wishes.steps, size: 'max' }),
      /** Of one program in three something fails, or the rest would hardly ever run. */
      trouble: fc.nat(2),
    })
    .map(({ cells, values, raw, trouble }) => new Making(cells, values, wishes, trouble === 0).program(raw))

/** With the third lost worker a task fails. */
const LOSSES_MAX = 2

class Making {
  #calls = 0
  #losses = 0
  readonly #large = new Set<number>()
  readonly #awaited = new Set<number>()

  constructor(
    readonly cells: number,
    readonly values: number,
    readonly wishes: Wishes,
    readonly isTroubled: boolean,
  ) {}

  program(raw: readonly RawStep[]): Program {
    const steps = this.#steps(raw)
    return { cells: this.cells, values: this.values, calls: this.#calls, steps }
  }

  #steps(raw: readonly RawStep[]): Step[] {
    const steps: Step[] = []
    for (let i = 0; i < raw.length; i++) {
      const one = raw[i]!
      if (one.pick >= 98) {
        steps.push({ step: 'group', steps: this.#steps(raw.slice(i + 1, i + 4)), cancels: this.#cancels && one.x % 3 === 0 })
        i += 3
      } else steps.push(this.#step(one))
    }
    return steps
  }

  get #cancels(): boolean {
    return this.wishes.cancels && this.isTroubled
  }

  #step(raw: RawStep): Step {
    const { pick, a, x, trouble } = raw
    if (this.wishes.kills && trouble % 9 === 4 && this.#losses < LOSSES_MAX) return this.#kill(a, x % 50)
    if (pick < 72 || this.#calls === 0) return this.#call(raw)
    if (pick < 80) return this.#await(a % this.#calls)
    if (pick < 84) return { step: 'waitOn', place: this.#place(a, false)! }
    if (pick < 85) return { step: 'barrier' }
    if (pick < 87) return { step: 'completed', last: 1 + (x % 4) }
    if (pick < 91) return { step: 'change', value: a % this.values, x }
    if (pick < 94 && !this.wishes.resumes) return { step: 'save', cell: a % this.cells, x }
    if (pick < 96 || !this.#cancels) return { step: 'pause' }
    return { step: 'cancel', of: this.#calls - 1 - (a % Math.min(3, this.#calls)) }
  }

  #kill(which: number, afterMs: number): Step {
    this.#losses++
    return { step: 'kill', which, afterMs }
  }

  #await(of: number): Step {
    this.#awaited.add(of)
    return { step: 'await', of }
  }

  /** Two of three are objects. */
  #place(pick: number, mayBeNone = true): Place | null {
    if (mayBeNone && pick % 10 === 9) return null
    return pick % 3 < 2 ? { cell: Math.floor(pick / 3) % this.cells } : { value: Math.floor(pick / 3) % this.values }
  }

  #call(raw: RawStep): Call {
    const number = this.#calls
    const fn = raw.fn === 'stops' && !(this.wishes.stops && this.isTroubled) ? 'both' : raw.fn
    const isFailing = this.isTroubled && this.wishes.fails && raw.trouble % 8 === 0
    const places = this.#places(fn, raw)
    const acts = [...untilGone(raw.acts.flatMap((one) => this.#act(one, fn, places, number))), ...this.#death(raw, fn)]
    const times = isFailing || fn === 'ignored' || fn === 'stops' ? 9 : fn === 'retries' ? 1 : 0
    if (times > 0 && (fn !== 'ignored' || raw.trouble % 2 === 0)) acts.splice(raw.x % (acts.length + 1), 0, { do: 'throw', times })
    const parts = raw.parts.slice(0, raw.as === 'single' ? 1 : 3).map((p) => this.#part(p, raw.as === 'single' || raw.as === 'list'))
    const mayLose = raw.shape === 'bytes' && !this.#keepsLarge
    const mayBeLarge =
      !mayLose || (this.isTroubled && !parts.some((part) => 'result' in part) && !places.some((place) => place && 'value' in place))
    if (mayLose && mayBeLarge) this.#large.add(number)
    const call: Call = {
      step: 'call',
      number,
      fn,
      places,
      inputs: { as: raw.as, parts },
      acts,
      shape: mayBeLarge ? raw.shape : 'list',
      mayLose: mayLose && mayBeLarge,
      options: {
        ...(raw.options < 4 && { priority: raw.options * 8 - 16 }),
        ...(raw.options === 5 && { timeoutMs: 60_000 }),
        ...(raw.options === 6 && { needs: { units: 1 } }),
      },
    }
    this.#calls++
    return call
  }

  #places(fn: Fn, { a, b }: RawStep): (Place | null)[] {
    const [isMethod, isList] = [METHODS.includes(fn), LISTS.includes(fn)]
    if (isMethod) return [{ cell: a % this.cells }]
    const first = isList ? { cell: a % this.cells } : this.#place(a)
    const second = isList ? { cell: b % this.cells } : this.#place(b)
    const isSame = JSON.stringify(first) === JSON.stringify(second)
    return isSame ? [first, ...(isList ? [] : [null])] : [first, second]
  }

  #part({ pick, x }: { pick: number; x: number }, mayPromise: boolean): Part {
    if (this.#calls > 0 && pick >= 30) {
      const result = this.#calls - 1 - (x % Math.min(6, this.#calls))
      return this.#awaited.has(result) && !this.#large.has(result) && pick % 2 === 0 ? { known: result } : { result }
    }
    if (mayPromise && this.wishes.promises && pick % 10 === 1 && this.isTroubled) return { rejects: x }
    // What has failed before it comes would cancel its call, wherever that stands.
    if (mayPromise && this.wishes.promises && pick % 5 === 1 && !this.isTroubled && !this.wishes.deletes) return { gives: x % this.cells }
    return mayPromise && pick % 5 === 0 ? { promised: x } : { x }
  }

  get #keepsLarge(): boolean {
    return this.wishes.keepsLarge || !(this.wishes.dies || this.wishes.kills)
  }

  /** One in a program: one that ends late may take a task of the next program along. */
  #death({ trouble }: RawStep, fn: Fn): readonly Act[] {
    if (!this.wishes.dies || !this.isTroubled || trouble > 24 || fn === 'stops' || this.#losses > 0) return []
    return [{ do: 'die', marker: `${this.#losses++}`, late: trouble % 2 === 0 }]
  }

  #act({ pick, at, x, row }: RawAct, fn: Fn, places: readonly (Place | null)[], number: number): readonly Act[] {
    if (pick < 8) return [{ do: 'make', x }]
    if (pick < 14) return [{ do: 'wait', ms: x % 6 }]
    if (pick < 22) return [{ do: 'child', kind: kindOf(pick), at, x, depth: x % 3 }]
    const direction = FNS[fn][at] ?? 'IN'
    const place = places[at]
    if (!place) return []
    if (direction === 'OUT') return [{ do: 'put', at, x }]
    if (direction === 'IN' || direction === 'IN_DELETE') return [this.#reading(pick, at, x)]
    if (direction === 'INOUT') return [this.#writing(pick, at, x, row, 'cell' in place)]
    if (pick % 3 === 0) return [{ do: 'count', at, row, x }]
    return pick % 3 === 1 ? [{ do: 'add', at, x }] : [{ do: 'set', at, row: 100 + number, x }]
  }

  #reading(pick: number, at: 0 | 1, x: number): Act {
    if (pick % 3 === 0) return { do: 'look', at }
    return pick % 3 === 1 ? { do: 'read', at } : { do: 'child', kind: 'reads', at, x, depth: x % 2 }
  }

  #writing(pick: number, at: 0 | 1, x: number, row: number, isStored: boolean): Act {
    const all: readonly Act[] = [
      { do: 'mix', at, x },
      { do: 'mix', at, x },
      { do: 'add', at, x },
      { do: 'set', at, row, x },
      { do: 'drop', at, row, x },
      { do: 'count', at, row, x },
      { do: 'look', at },
      { do: 'read', at },
      { do: 'large', at, bytes: x % 4 === 0 && (isStored || this.#keepsLarge) ? 200_000 : x },
      { do: 'transact', at, x },
      { do: 'child', kind: 'held', at, x, depth: 0 },
      this.wishes.deletes && x % 4 === 0 ? { do: 'delete', at } : { do: 'mix', at, x },
    ]
    return all[pick % all.length]!
  }
}

/** What was deleted is not touched again by the same body. */
function untilGone(acts: readonly Act[]): Act[] {
  const gone = new Set<number>()
  return acts.filter((act) => {
    const isKept = !('at' in act) || !gone.has(act.at)
    if (act.do === 'delete') gone.add(act.at)
    return isKept
  })
}

const KINDS: readonly ChildKind[] = ['pure', 'many', 'makes', 'retries']
const kindOf = (pick: number): ChildKind => KINDS[pick % KINDS.length]!
