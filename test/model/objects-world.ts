/** Runs a random program on a real store and on its model at once, and compares all that can be seen after each action. */
import fc from 'fast-check'
import type { Store } from '../../runtime/index.js'
import { Ref } from '../../src/backend.js'
import type { ClassId } from '../../src/ids.js'
import type { Action, RandomProgram, Step } from './objects-actions.js'
import { Doing } from './objects-doing.js'
import { ModelStore, Program } from './objects-model.js'
import { Ids, NEVER_STORED, Session } from './objects-session.js'

export interface WorldOptions {
  /** Of all names, where programs share a store. */
  readonly prefix?: string
  /** Whether a program's units are settled before another's next step: where that takes its time, names are listed late. */
  readonly isSettledBetween?: boolean
}

export class World {
  readonly #model = new ModelStore()
  readonly #ids: Ids
  readonly #sessions: Session[] = []

  constructor(
    readonly open: () => Promise<Store>,
    readonly options: WorldOptions,
  ) {
    this.#ids = new Ids(options.prefix ?? '')
  }

  static async run(open: () => Promise<Store>, { first, steps }: RandomProgram, options: WorldOptions = {}): Promise<void> {
    const world = new World(open, options)
    try {
      for (let i = 0; i < 3; i++) world.#sessions.push(await world.#program())
      for (const [i, step] of beginning(first).entries()) await world.#step(step, i)
      for (const [i, step] of steps.entries()) await world.#step(step, i)
    } finally {
      for (const { store } of world.#sessions) await store.close()
    }
  }

  async #program(): Promise<Session> {
    return new Session(await this.open(), new Program(this.#model), this.#ids)
  }

  #doing(session: Session): Doing {
    return new Doing(session, session.program, this.#ids, (here, what) => this.#elsewhere(here, what))
  }

  async #elsewhere(here: Session, what: Step | number): Promise<void> {
    const others = this.#sessions.filter((session) => session !== here)
    if (typeof what !== 'number') return this.#stepOf(others[what.session % 2]!, what.action)
    const other = others[0]!
    await other.store.run(() => this.#doing(other).touch(what))
  }

  async #step({ session: at, action }: Step, i: number): Promise<void> {
    try {
      await this.#stepOf(this.#sessions[at]!, action)
    } catch (error) {
      throw new Error(`at ${i}, session ${at}, ${fc.stringify(action)}: ${String(error)}`, { cause: error })
    }
  }

  async #stepOf(session: Session, action: Action): Promise<void> {
    if (action.do === 'restart') {
      await session.store.close()
      this.#sessions[this.#sessions.indexOf(session)] = await this.#program()
    } else await session.store.run(() => this.#doing(session).do(action))
    if (this.options.isSettledBetween && action.do !== 'restart') await settled(session.store)
    for (const one of this.#sessions) one.check()
  }
}

/** What it has committed is settled before names are listed. */
const settled = (store: Store): Promise<unknown> => store.aliasesOf(new Ref(NEVER_STORED, 'nothing' as ClassId))

/** One program stores some objects, and the others open them. */
function beginning(first: readonly number[]): Step[] {
  return first.flatMap((cls, alias): Step[] => [
    { session: 0, action: { do: 'new', cls } },
    { session: 0, action: { do: 'link', at: alias, to: alias + 1 } },
    { session: 0, action: { do: 'persist', at: alias, alias, ifExists: 'error' } },
    { session: 1, action: { do: 'byAlias', cls, alias, depth: 0 } },
    { session: 2, action: { do: 'byAlias', cls, alias, depth: 0 } },
  ])
}
