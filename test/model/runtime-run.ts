/** Runs a random program through the public API, and compares all that it gives with what the oracle says. */
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { expect } from 'chai'
import {
  asCompleted,
  barrier,
  type CallOptions,
  executeTask,
  explain,
  type Future,
  group,
  LostValueError,
  NotFoundError,
  type Store,
  stats,
  task,
  waitOn,
} from 'insitu'
import { isStored, type Thing } from './runtime-body.js'
import { flat, inputsOf, Oracle, type Outcome, type Status } from './runtime-oracle.js'
import { type Call, LISTS, METHODS, type Part, type Place, type Program, type Step } from './runtime-programs.js'
import { Cell, lists, loadInside, tasks } from './runtime-tasks.js'

/** Longer than any program takes, on a machine that does much else. */
const HANGS_AFTER_MS = 60_000

export interface Setting {
  readonly isOff: boolean
  /** Where bodies that end their workers leave their marks. */
  readonly folder: string
  /** Over which its objects are spread. */
  readonly stores?: readonly Store[]
  /** What its objects are called, so that another life of the program finds them. */
  readonly alias?: string
  /** Ends a worker or an agent as a crash would. */
  kill?(which: number): void
}

let runs = 0

export class ProgramRun {
  readonly #cells: Cell[] = []
  readonly #values: Thing[] = []
  readonly #futures: Future<unknown>[] = []
  readonly #told: { readonly step: Step; readonly isBad: boolean; readonly value: unknown; readonly error?: unknown }[] = []
  readonly #outcomes: { readonly status: Status; readonly value: unknown }[] = []
  readonly #known = new Map<number, unknown>()
  readonly #number = runs++
  readonly #kills: Promise<void>[] = []

  constructor(
    readonly program: Program,
    readonly where: Setting,
  ) {}

  async check(): Promise<void> {
    await this.#inTime(this.#run())
    const oracle = new Oracle(this.program, { outcomes: this.#outcomes.map(outcomeSeen) })
    await oracle.run()
    this.#compareCalls(oracle)
    this.#compareSteps(oracle)
    await this.#inTime(this.#compareCells(oracle))
    const after = stats()
    expect(after.pending, 'pending').to.equal(0)
    const sum = (s: typeof after): number => s.done + s.failed + (s['cancelled'] ?? 0) + (s['ignored'] ?? 0)
    expect(sum(after), 'calls that ended').to.equal(after.tasks)
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    const late = new AbortController()
    const hangs = delay(HANGS_AFTER_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`hangs:\n${this.#futures.map((f) => `${String(f)} ${explain(f)}`).join('\n')}`)
    })
    hangs.catch(() => {})
    try {
      return await Promise.race([work, hangs])
    } finally {
      late.abort()
    }
  }

  // ---- running

  async #run(): Promise<void> {
    const { cells, values, steps } = this.program
    for (let i = 0; i < cells; i++) this.#cells.push(Object.assign(new Cell(), { born: i }))
    await Promise.all(this.#cells.map((cell, i) => this.#store(cell, i)))
    for (let i = 0; i < values; i++) this.#values.push({ n: 1000 + i, sum: 0, bytes: new Uint8Array(0) })
    for (const step of steps) await this.#step(step)
    await this.#tell({ step: 'barrier' }, () => barrier())
    await Promise.all(this.#kills) // the next program has losses of its own
    for (const future of this.#futures) this.#outcomes.push(await outcomeOf(future))
  }

  async #store(cell: Cell, i: number): Promise<void> {
    const { stores = [], alias } = this.where
    const store = async (): Promise<unknown> =>
      alias === undefined ? cell.makePersistent() : cell.makePersistent(`${alias}-${i}`, { ifExists: 'open' })
    await (stores[i % stores.length]?.run(store) ?? store())
  }

  async #step(step: Step): Promise<void> {
    switch (step.step) {
      case 'call':
        this.#futures[step.number] = this.#call(step)
        return
      case 'await':
        return this.#tell(step, async () => {
          const value = await this.#futures[step.of]
          this.#known.set(step.of, value)
          return plain(value)
        })
      case 'completed':
        await drained(asCompleted(this.#futures.slice(-step.last)))
        return
      case 'barrier':
        return this.#tell(step, () => barrier())
      case 'waitOn':
        return this.#tell(step, () => this.#waitOn(step.place))
      case 'change':
        this.#values[step.value]!.n += step.x
        return
      case 'save':
        return this.#save(step)
      case 'group':
        return this.#group(step)
      case 'cancel':
        return this.#futures[step.of]!.cancel()
      case 'pause':
        return delay(2)
      case 'kill':
        this.#kills.push(delay(step.afterMs).then(() => this.where.kill?.(step.which)))
        return
    }
  }

  async #group(step: Extract<Step, { step: 'group' }>): Promise<void> {
    await this.#tell(step, () =>
      group(async (tasksOf) => {
        for (const one of step.steps) await this.#step(one)
        if (step.cancels) tasksOf.cancel()
      }),
    )
  }

  async #waitOn(place: Place): Promise<unknown> {
    if ('cell' in place) return void (await waitOn(this.#cells[place.cell]!))
    return plain(await waitOn(this.#values[place.value]!))
  }

  async #save(step: Extract<Step, { step: 'save' }>): Promise<void> {
    const cell = this.#cells[step.cell]!
    await this.#tell(step, async () => void (await waitOn(cell)))
    // Told of one failure, it may still have users that are under way.
    for (;;) {
      try {
        await waitOn(cell)
        break
      } catch {}
    }
    try {
      await cell.reload()
    } catch (error) {
      if (error instanceof NotFoundError) return
      throw error
    }
    cell.n += step.x
    await cell.save()
  }

  #call(call: Call): Future<unknown> {
    const { fn, acts, shape, number, options, places } = call
    const given = places.map((place) => this.#given(place))
    const inputs = inputsOf(call.inputs, (part) => this.#part(part))
    const order = { id: number, acts: acts.map((act) => (act.do === 'die' ? { ...act, marker: this.#marker(act.marker) } : act)), shape }
    if (METHODS.includes(fn)) return executeTask(given[0] as Cell, fn as 'write', inputs, order)
    if (LISTS.includes(fn)) return configured(fn === 'all' ? lists.all : lists.look, options)(given as never, inputs, order)
    return configured(tasks[fn as keyof typeof tasks], options)(given[0] ?? null, given[1] ?? null, inputs, order)
  }

  #marker = (name: string): string => (this.where.isOff ? '' : `${this.where.folder}/${this.#number}-${name}`)

  #given(place: Place | null): Thing | null {
    if (!place) return null
    return 'cell' in place ? this.#cells[place.cell]! : this.#values[place.value]!
  }

  #part(part: Part): unknown {
    if ('x' in part) return part.x
    if ('promised' in part) return delay(1, part.promised)
    if ('gives' in part) return delay(1, this.#cells[part.gives])
    if ('rejects' in part)
      return delay(1).then(() => {
        throw new RangeError(`argument ${part.rejects} does not come`)
      })
    return 'known' in part ? (this.#known.has(part.known) ? this.#known.get(part.known) : 0) : this.#futures[part.result]
  }

  async #tell(step: Step, body: () => Promise<unknown>): Promise<void> {
    try {
      this.#told.push({ step, isBad: false, value: await body() })
    } catch (error) {
      this.#told.push({ step, isBad: true, value: undefined, error })
    }
  }

  // ---- comparing

  #compareCalls({ calls }: Oracle): void {
    for (const [at, { status, value }] of this.#outcomes.entries()) {
      const { status: right } = calls[at]!
      if (right === 'done' && this.#mayBeLost(at, value)) continue
      expect(status, `call ${at}: ${status === right ? '' : told(value)}`).to.equal(right)
      if (status === 'bad' && !calls[at]!.causes.has(at)) expect(outcomeSeen({ status, value }), told(value)).to.equal('stopped')
      if (status === 'done') expect({ at, value }).to.deep.equal({ at, value: plainNow(calls[at]!.value) })
    }
  }

  /** What a call has made that changes nothing and takes nothing is made again. */
  #mayBeLost(at: number, error: unknown): boolean {
    const call = flat(this.program.steps).find((s): s is Call => s.step === 'call' && s.number === at)!
    const isMadeOfNothing = call.places.every((place) => place === null) && !call.acts.some((act) => ['make', 'child'].includes(act.do))
    return error instanceof LostValueError && call.mayLose && this.#kills.length > 0 && !isMadeOfNothing
  }

  #compareSteps({ expected }: Oracle): void {
    expect(this.#told.map((t) => t.step.step)).to.deep.equal(expected.map((e) => e.step.step))
    for (const [i, { step, seen, value }] of expected.entries()) {
      const told = this.#told[i]!
      const isRight = seen === 'either' || told.isBad === (seen === 'fails')
      expect(
        isRight,
        `step ${i}, ${JSON.stringify(step)}: ${seen}, and it ${told.isBad ? `fails: ${String(told.error)}` : 'goes'}`,
      ).to.equal(true)
      if (!told.isBad && value !== undefined) expect({ i, value: told.value }).to.deep.equal({ i, value: plainNow(value) })
    }
  }

  async #compareCells({ cells }: Oracle): Promise<void> {
    for (const [i, twin] of cells.entries()) {
      const cell = this.#cells[i]!
      if (!twin.isGone) expect({ i, ...fieldsOf(cell) }, 'the instance after the barrier').to.deep.equal({ i, ...fieldsOf(twin) })
      const found = await cell.reload({ discard: true }).catch((error: unknown) => error)
      expect({ i, isGone: found instanceof NotFoundError }).to.deep.equal({ i, isGone: twin.isGone })
      if (twin.isGone) continue
      expect({ i, ...fieldsOf(cell) }, 'what is stored').to.deep.equal({ i, ...fieldsOf(twin) })
      expect({ i, rows: await rowsOf(cell) }).to.deep.equal({ i, rows: sorted(twin.rows) })
      expect({ i, counts: await countsOf(cell) }).to.deep.equal({ i, counts: sorted(twin.counts) })
    }
  }
}

const configured = <F>(fn: F, options: CallOptions): F =>
  Object.keys(options).length === 0 ? fn : (task.configure(fn as never, options) as F)

async function drained(all: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of all);
}

const STOPPED = ['ERR_TASK_FAILED', 'ERR_TASK_CANCELLED']

function outcomeSeen({ status, value }: { readonly status: Status; readonly value: unknown }): Outcome {
  if (status === 'done') return status
  if (value instanceof LostValueError) return 'lost'
  return STOPPED.includes((value as { readonly code?: string }).code ?? '') ? 'stopped' : 'failed'
}

async function outcomeOf(future: Future<unknown>): Promise<{ status: Status; value: unknown }> {
  try {
    return { status: 'done', value: await plain(await future) }
  } catch (error) {
    return { status: 'bad', value: error }
  }
}

const told = (what: unknown): string => inspect(what, { depth: 6 })
const fieldsOf = ({ n, sum, bytes }: Thing): object => ({ n, sum, bytes: [bytes.length, bytes[0]] })
const sorted = (rows: ReadonlyMap<number, number>): [number, number][] => [...rows].sort(([a], [b]) => a - b)

async function rowsOf({ rows }: Cell): Promise<[number, number][]> {
  const all = new Map<number, number>()
  for await (const [{ at }, { x }] of rows) all.set(at, x)
  return sorted(all)
}

async function countsOf({ counts }: Cell): Promise<[number, number][]> {
  const all = new Map<number, number>()
  for await (const [{ at }, { n }] of counts) all.set(at, Number(n))
  return sorted(all)
}

/** A value with its objects by what never changes, loaded where they are handles. */
async function plain(value: unknown): Promise<unknown> {
  await loadInside(value)
  return plainNow(value)
}

function plainNow(value: unknown): unknown {
  if (isStored(value)) return `object ${value.born}`
  if (value instanceof Uint8Array) return `${value.length} bytes of ${value[0]}`
  if (value instanceof Map) return new Map([...value].map(([k, v]) => [k, plainNow(v)]))
  if (Array.isArray(value)) return value.map(plainNow)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plainNow(v)]))
}
