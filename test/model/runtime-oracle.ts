/**
 * What a program must give: every call is done at once, in the order of the calls. Where the program asks a task to stop while it may be
 * running, either outcome is right, and the one that was seen is followed: all else must be as it says.
 */
import type { Direction } from 'insitu'
import type { Order, Thing } from './runtime-body.js'
import { type Call, FNS, type Inputs, type Part, type Place, type Program, type Step } from './runtime-programs.js'
import { copied, performed, Twin } from './runtime-twins.js'

export type Status = 'done' | 'bad'
/** Stopped: it was not run, or was asked to stop. Lost: what it gave, or what it was to take, went with a host. */
export type Outcome = 'done' | 'failed' | 'stopped' | 'lost'
/** What the program was told of its calls. */
export interface Observed {
  readonly outcomes: readonly Outcome[]
}

/** Whether the program was told of something: `maybe` where it is chance which of two failures it heard of. */
type Told = 'no' | 'maybe' | 'yes'
const ANY = 'ANY'

export interface CallState {
  status: Status
  value: unknown
  /** The calls with which it began, one of which the runtime names. */
  causes: ReadonlySet<number>
  told: Told
}

interface Poison {
  readonly causes: ReadonlySet<number>
  spares: Direction | typeof ANY
}

interface Value {
  readonly local: Thing
  version: { readonly value: Thing } | { readonly bad: number } | undefined
}

/** What a step gives the program, in words that can be compared. */
export type Seen = 'fails' | 'goes' | 'either'

export class Oracle {
  readonly cells: Twin[]
  readonly values: Value[]
  readonly calls: CallState[] = []
  readonly expected: { readonly step: Step; readonly seen: Seen; readonly value?: unknown }[] = []
  readonly #seen = new Map<number, Told>()
  readonly #poison = new Map<number, Poison[]>()
  readonly #users = new Map<number, number[]>()
  readonly #asked = new Set<number>()
  /** Calls that stop the run when they fail: then chance says which others had begun. */
  readonly #stops: readonly number[]
  /** Calls that give what may be lost. */
  readonly #mayLose: ReadonlySet<number>

  constructor(
    readonly program: Program,
    readonly observed: Observed,
  ) {
    this.cells = Array.from({ length: program.cells }, (_, i) => new Twin(i))
    this.values = Array.from({ length: program.values }, (_, i) => ({
      local: { n: 1000 + i, sum: 0, bytes: new Uint8Array(0) },
      version: undefined,
    }))
    const all = flat(program.steps)
    this.#stops = all.flatMap((s) => (s.step === 'call' && s.fn === 'stops' ? [s.number] : []))
    this.#mayLose = new Set(all.flatMap((s) => (s.step === 'call' && s.mayLose ? [s.number] : [])))
    // A request may come before the call runs, wherever it stands behind it.
    for (const s of all) if (s.step === 'cancel') this.#asked.add(s.of)
    for (const s of all)
      if (s.step === 'group' && s.cancels) for (const c of flat(s.steps)) if (c.step === 'call') this.#asked.add(c.number)
  }

  async run(): Promise<void> {
    for (const step of this.program.steps) await this.#step(step)
    this.#barrier({ step: 'barrier' })
  }

  async #step(step: Step): Promise<void> {
    switch (step.step) {
      case 'call':
        this.calls[step.number] = await this.#call(step)
        return
      case 'await':
        return this.#expectOne(step, step.of)
      case 'completed':
        for (const at of this.calls.slice(-step.last).map((_, i, all) => this.calls.length - all.length + i)) this.#tell(at)
        return
      case 'barrier':
        return this.#barrier(step)
      case 'waitOn':
        return this.#waitOn(step, step.place)
      case 'change':
        this.values[step.value]!.local.n += step.x
        return
      case 'save':
        return this.#save(step)
      case 'group':
        return this.#group(step)
      case 'cancel':
      case 'pause':
      case 'kill':
        return
    }
  }

  async #group(step: Extract<Step, { step: 'group' }>): Promise<void> {
    for (const one of step.steps) await this.#step(one)
    const own = flat(step.steps).flatMap((s) => (s.step === 'call' ? [s.number] : []))
    const bad = own.filter((at) => this.calls[at]!.status === 'bad')
    const isNews = bad.map((at) => this.calls[at]!.told)
    this.expected.push({ step, seen: isNews.includes('no') ? 'fails' : isNews.includes('maybe') ? 'either' : 'goes' })
    for (const at of own) this.#tell(at)
  }

  #save({ cell, x, ...rest }: Extract<Step, { step: 'save' }>): void {
    const twin = this.cells[cell]!
    this.#waitOn({ ...rest, cell, x }, { cell })
    for (const at of this.#users.get(cell) ?? []) this.#tell(at)
    if (!twin.isGone) twin.n += x
  }

  // ---- calls

  async #call(call: Call): Promise<CallState> {
    const uses = this.#usesOf(call)
    for (const [cell] of uses) this.#users.set(cell, [...(this.#users.get(cell) ?? []), call.number])
    const spoilt = this.#spoilt(call, uses)
    const outcome = this.observed.outcomes[call.number]
    const isStopped = outcome === 'stopped'
    if ((outcome === 'lost' && this.#takesLarge(call)) || (spoilt.certain.size > 0 && rejects(call))) this.#asked.add(call.number)
    const own = this.#ownCauses(call.number)
    if (spoilt.certain.size > 0) return this.#bad(call, uses, new Set([...spoilt.certain, ...spoilt.maybe, ...own]))
    if (outcome === 'lost' && this.#takesLarge(call)) return this.#bad(call, uses, new Set([...spoilt.maybe, ...own]))
    if (isStopped && spoilt.maybe.size + own.length > 0) return this.#bad(call, uses, new Set([...spoilt.maybe, ...own]))
    try {
      return await this.#done(call)
    } catch {
      return this.#bad(call, uses, new Set([call.number]))
    }
  }

  #takesLarge({ inputs }: Call): boolean {
    return inputs.parts.some((part) => 'result' in part && this.#mayLose.has(part.result))
  }

  /** Why it may not be done whatever comes before it: it was asked to stop, by itself or with the whole run. */
  #ownCauses(number: number): readonly number[] {
    return [...(this.#asked.has(number) ? [number] : []), ...this.#stops]
  }

  async #done(call: Call): Promise<CallState> {
    const { fn, number, acts, shape, places } = call
    const order: Order = { id: number, acts, shape }
    const things = places.map((place) => this.#thing(place))
    const inputs = inputsOf(call.inputs, (part) => this.#part(part))
    if (rejects(call)) throw new RangeError('rejects')
    let value: unknown
    try {
      for (const place of places) if (place && 'cell' in place && this.cells[place.cell]!.isGone) throw new Error('gone')
      value = await performed(order, things, inputs, fn === 'retries' ? 3 : 1)
    } catch (error) {
      if (fn !== 'ignored') throw error
    }
    for (const [i, place] of places.entries())
      if (place && 'value' in place && isWriting(FNS[fn][i]!)) this.values[place.value]!.version = { value: things[i]! }
    return { status: 'done', value, causes: new Set(), told: 'no' }
  }

  #thing(place: Place | null): Thing | null {
    if (!place) return null
    if ('cell' in place) return this.cells[place.cell]!
    const { local, version } = this.values[place.value]!
    return copied(version && 'value' in version ? version.value : local)
  }

  #part(part: Part): unknown {
    if ('x' in part) return part.x
    if ('promised' in part) return part.promised
    if ('gives' in part) return this.cells[part.gives]
    if ('rejects' in part) return undefined
    const of = this.calls['known' in part ? part.known : part.result]
    return of?.status === 'done' ? of.value : 0
  }

  #bad({ number, places, fn }: Call, uses: ReadonlyMap<number, Direction>, causes: ReadonlySet<number>): CallState {
    for (const [cell, direction] of uses) if (isWriting(direction)) this.#spoil(cell, causes, direction)
    for (const [i, place] of places.entries())
      if (place && 'value' in place && isWriting(FNS[fn][i]!)) this.values[place.value]!.version = { bad: number }
    return { status: 'bad', value: undefined, causes, told: 'no' }
  }

  #usesOf({ fn, places }: Call): Map<number, Direction> {
    const uses = new Map<number, Direction>()
    for (const [i, place] of places.entries()) {
      if (!place || !('cell' in place)) continue
      const direction: Direction = FNS[fn][i]!
      uses.set(place.cell, direction === 'OUT' || direction === 'IN_DELETE' ? 'INOUT' : direction)
    }
    return uses
  }

  // ---- what failures do to what comes after

  #spoilt({ places, inputs }: Call, uses: ReadonlyMap<number, Direction>): { certain: Set<number>; maybe: Set<number> } {
    const found = { certain: new Set<number>(), maybe: new Set<number>() }
    for (const part of inputs.parts) if ('result' in part) this.#behind(part.result, found.certain)
    for (const place of places) {
      if (!place || !('value' in place)) continue
      const { version } = this.values[place.value]!
      if (version && 'bad' in version) this.#behind(version.bad, found.certain)
    }
    for (const [cell, direction] of uses) this.#poisoned(cell, direction, found)
    return found
  }

  #behind(call: number, into: Set<number>): void {
    const { status, causes } = this.calls[call]!
    if (status === 'bad') for (const cause of causes) into.add(cause)
  }

  #poisoned(cell: number, direction: Direction, found: { certain: Set<number>; maybe: Set<number> }): void {
    for (const poison of this.#poison.get(cell) ?? []) {
      if (poison.spares === direction) continue
      const told = [...poison.causes].map((cause) => this.#seen.get(cause) ?? 'no')
      if (told.every((t) => t === 'yes')) continue
      poison.spares = ANY
      const into = told.every((t) => t === 'no') ? found.certain : found.maybe
      for (const cause of poison.causes) into.add(cause)
    }
  }

  #spoil(cell: number, causes: ReadonlySet<number>, direction: Direction): void {
    const spares = direction === 'CONCURRENT' || direction === 'COMMUTATIVE' ? direction : ANY
    this.#poison.set(cell, [...(this.#poison.get(cell) ?? []), { causes, spares }])
  }

  // ---- what the program is told

  #tell(at: number, how: Told = 'yes'): void {
    const call = this.calls[at]!
    if (call.status !== 'bad') return
    call.told = more(call.told, how)
    const so: Told = call.causes.size === 1 ? how : 'maybe'
    for (const cause of call.causes) {
      this.#seen.set(cause, more(this.#seen.get(cause) ?? 'no', so))
      const began = this.calls[cause]
      if (began) began.told = more(began.told, so)
    }
  }

  #expectOne(step: Step, at: number): void {
    const { status, value } = this.calls[at]!
    const seen = status === 'bad' ? 'fails' : this.#mayLose.has(at) ? 'either' : 'goes'
    this.expected.push({ step, seen, value })
    this.#tell(at)
  }

  /** Tells of all failures; what a failure cancelled is told by the failure. */
  #barrier(step: Step): void {
    const news = this.calls.flatMap((c, at) => (c.status === 'bad' && c.causes.has(at) ? [this.#asked.has(at) ? 'maybe' : c.told] : []))
    const [isNews, mayBe] = [news.includes('no'), news.includes('maybe') || this.#stops.length > 0]
    this.expected.push({ step, seen: mayBe ? 'either' : isNews ? 'fails' : 'goes' })
    for (const at of this.calls.keys()) {
      const call = this.calls[at]!
      if (call.status !== 'bad') continue
      if (call.told === 'no' || call.told === 'maybe') for (const cause of call.causes) this.#seen.set(cause, 'yes')
      call.told = 'yes'
    }
  }

  #waitOn(step: Step, place: Place): void {
    if ('value' in place) return this.#waitOnValue(step, place.value)
    const users = (this.#users.get(place.cell) ?? []).filter((at) => this.calls[at]!.status === 'bad' && this.calls[at]!.told !== 'yes')
    const first = users.findIndex((at) => this.calls[at]!.told === 'no')
    const seen = first >= 0 ? 'fails' : users.length > 0 ? 'either' : 'goes'
    this.expected.push({ step, seen })
    if (first === 0) return this.#tell(users[0]!)
    for (const at of first < 0 ? users : users.slice(0, first + 1)) this.#tell(at, 'maybe')
  }

  #waitOnValue(step: Step, value: number): void {
    const { local, version } = this.values[value]!
    if (version && 'bad' in version) {
      this.expected.push({ step, seen: 'fails' })
      this.#tell(version.bad)
    } else this.expected.push({ step, seen: 'goes', value: copied(version?.value ?? local) })
  }
}

const more = (a: Told, b: Told): Told => (a === 'yes' || b === 'yes' ? 'yes' : a === 'maybe' || b === 'maybe' ? 'maybe' : 'no')
const rejects = ({ inputs }: Call): boolean => inputs.parts.some((part) => 'rejects' in part)
export const isWriting = (direction: Direction): boolean => direction !== 'IN' && direction !== 'IN_DELETE'

export function flat(steps: readonly Step[]): Step[] {
  return steps.flatMap((s) => (s.step === 'group' ? [s, ...flat(s.steps)] : [s]))
}

/** The argument that a call's inputs are, of whatever their parts stand for. */
export function inputsOf({ as, parts }: Inputs, of: (part: Part) => unknown): unknown {
  const all = parts.map(of)
  switch (as) {
    case 'single':
      return all[0]
    case 'list':
      return all
    case 'map':
      return new Map(all.map((one, i) => [`k${i}`, one]))
    case 'object':
      return Object.fromEntries(all.map((one, i) => [`k${i}`, one]))
    case 'nested':
      return { deep: [all, new Map([['in', { all }]])] }
  }
}
