import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../runtime/index.js'
import { AliasTakenError, ConflictError, InsituError, NotFoundError, update } from '../../runtime/index.js'
import { Random } from '../simulation/random.js'
import type { Call } from './checker.js'
import { type AnyCall, Board, type NamedIn, type NamedOut, Register, type RowIn, type RowOut } from './things.js'

export interface Plan {
  /** From 1. */
  readonly program: number
  readonly seed: number
  readonly calls: number
}

/** A call that takes longer ends its program: with a broken backend below, `update` may find no end. */
const CALL_MS = 2000

const ALIASES = ['a', 'b']
const ROWS = 3
const BOARD = 'board'

/** Nanoseconds of the machine, the same for all its processes. */
const now = (): number => Number(process.hrtime.bigint())

/** The thing that all rows are in; to be there before the programs begin. */
export const makeBoard = (store: Store): Promise<unknown> => store.run(() => new Board().makePersistent(BOARD))

/** One call after the other, picked by chance; gives what was called and answered. */
export async function runProgram(store: Store, plan: Plan): Promise<readonly AnyCall[]> {
  return store.run(async () => new SharingProgram(plan, await Board.getByAlias(BOARD)).run())
}

class SharingProgram {
  readonly #calls: AnyCall[] = []
  readonly #random: Random
  /** What it last saw of an object, with the unsaved changes of none. */
  readonly #held = new Map<string, Register>()
  #values = 0
  #isStuck = false

  constructor(
    readonly plan: Plan,
    readonly board: Board,
  ) {
    this.#random = new Random(plan.seed * 1000 + plan.program)
  }

  async run(): Promise<readonly AnyCall[]> {
    for (let i = 0; i < this.plan.calls && !this.#isStuck; i++) await (this.#random.chance(0.3) ? this.#callRow() : this.#callNamed())
    return this.#calls
  }

  #fresh(): number {
    return this.plan.program * 1_000_000 + ++this.#values
  }

  async #callRow(): Promise<void> {
    const k = this.#random.below(ROWS)
    if (this.#random.chance(0.5)) {
      const value = this.#fresh()
      await this.#record<RowIn, RowOut>(`row ${k}`, { do: 'set', value }, async () => {
        this.board.rows.set({ k }, { v: value })
        await this.board.save()
        return 'done'
      })
    } else
      await this.#record<RowIn, RowOut>(`row ${k}`, { do: 'look' }, async () => {
        const found = await this.board.rows.get({ k })
        return { value: found ? Number(found.v) : null }
      })
  }

  #callNamed(): Promise<void> {
    const alias = this.#random.pick(ALIASES)
    const held = this.#held.get(alias)
    const what = this.#random.pick(
      held ? (['get', 'get', 'save', 'save', 'update', 'update', 'delete'] as const) : (['get', 'create'] as const),
    )
    const on = `alias ${alias}`
    if (!held || what === 'get' || what === 'create') return what === 'create' ? this.#create(on, alias) : this.#get(on, alias)
    const { born, value: from } = held
    switch (what) {
      case 'save':
        return this.#save(on, held, { do: 'save', born, from, to: this.#fresh() }, alias)
      case 'update':
        return this.#update(on, held, { do: 'update', born, to: this.#fresh() }, alias)
      case 'delete':
        this.#held.delete(alias)
        return this.#record<NamedIn, NamedOut>(on, { do: 'delete', born }, async () => {
          await held.deletePersistent()
          return 'done'
        })
    }
  }

  #get(on: string, alias: string): Promise<void> {
    return this.#record<NamedIn, NamedOut>(on, { do: 'get' }, async () => {
      this.#held.delete(alias)
      const found = await Register.getByAlias(alias).catch(when(NotFoundError, null))
      if (found) this.#held.set(alias, found)
      return { seen: found && { born: found.born, value: found.value } }
    })
  }

  #create(on: string, alias: string): Promise<void> {
    const value = this.#fresh()
    return this.#record<NamedIn, NamedOut>(on, { do: 'create', value }, async () => {
      const made = await Object.assign(new Register(), { born: value, value }).makePersistent(alias).catch(when(AliasTakenError, null))
      if (made) this.#held.set(alias, made)
      return made ? 'done' : 'refused'
    })
  }

  async #save(on: string, held: Register, wanted: Extract<NamedIn, { do: 'save' }>, alias: string): Promise<void> {
    await this.#record<NamedIn, NamedOut>(on, wanted, async () => {
      held.value = wanted.to
      return held.save().then((): NamedOut => 'done', when(ConflictError, 'refused' as const))
    })
    await this.#again(held, alias)
  }

  async #update(on: string, held: Register, wanted: Extract<NamedIn, { do: 'update' }>, alias: string): Promise<void> {
    await this.#record<NamedIn, NamedOut>(on, wanted, async () => {
      let from = 0
      const change = (o: Register): void => {
        from = o.value
        o.value = wanted.to
      }
      return update(held, change).then((): NamedOut => ({ from }), when(NotFoundError, 'refused' as const))
    })
    await this.#again(held, alias)
  }

  /** Now and then it goes on with what it has, as far as that is what was stored. */
  async #again(held: Register, alias: string): Promise<void> {
    const last = this.#calls.at(-1)
    if (this.#isStuck) return
    if (last?.out !== undefined && last.out !== 'refused') return
    this.#held.delete(alias)
    // Unsaved changes would be in the way of the next look at the same object.
    await held.reload({ discard: true }).catch(when(InsituError, undefined))
  }

  async #record<In extends AnyCall['in'], Out extends AnyCall['out']>(on: string, wanted: In, work: () => Promise<Out>): Promise<void> {
    const beganAt = now()
    let out: Out | undefined
    try {
      out = await this.#limited(work())
    } catch (error) {
      // Left open: nothing is known of it.
      if (!(error instanceof InsituError)) throw error
    }
    const call: Call<In, Out> = { program: `program ${this.plan.program}`, on, in: wanted, out, beganAt, endedAt: now() }
    this.#calls.push(call as AnyCall)
  }

  async #limited<T>(work: Promise<T>): Promise<T | undefined> {
    const done = new AbortController()
    const late = delay(CALL_MS, undefined, { signal: done.signal }).then(() => {
      this.#isStuck = true
      return undefined
    })
    late.catch(() => {})
    try {
      return await Promise.race([work, late])
    } finally {
      done.abort()
    }
  }
}

interface ErrorKind {
  [Symbol.hasInstance](value: unknown): boolean
}

/** A handler that answers an expected error, and passes others on. */
function when<T>(kind: ErrorKind, answer: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof kind) return answer
    throw error
  }
}
