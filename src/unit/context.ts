/** Which unit of work the running code belongs to: a task's, a transaction's, a `store.run`'s, or the program's. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { UnavailableError } from '../errors.js'
import type { ObjectState } from '../objects/object-state.js'
import type { UnitOfWork } from './unit-of-work.js'

/** What code belongs to while it runs. One storage for both: each costs a task a tenth of a microsecond and more. */
export interface Belonging {
  /** May be made when it is first asked for. */
  readonly unit: UnitOfWork
  /** The attempt of a task, for the runtime. */
  readonly attempt?: object | undefined
  /** The innermost `update` whose body this is. */
  readonly turn?: object | undefined
}

const running = new AsyncLocalStorage<Belonging>()
let opener: (() => Promise<UnitOfWork>) | undefined
let program: UnitOfWork | undefined

export const runIn = <T>(unit: UnitOfWork, body: () => T): T => {
  const { attempt, turn } = running.getStore() ?? NOTHING
  return running.run({ unit, attempt, turn }, body)
}

const NOTHING: Partial<Belonging> = {}

export const runBelonging = <T, A>(to: Belonging, body: (args: A) => T, args: A): T => running.run(to, body, args)

/** What the running code belongs to beside the program. */
export const belonging = (): Belonging | undefined => running.getStore()

/** The unit of work of the running code, if one is open already. */
export const unitIfOpen = (): UnitOfWork | undefined => running.getStore()?.unit ?? program

/** The unit of work of the running code; opens the program's default store at its first use. */
export async function currentUnit(): Promise<UnitOfWork> {
  const unit = unitIfOpen()
  if (unit) return unit
  if (!opener) throw new UnavailableError('no store is open: call `await connect(url)` first')
  return opener()
}

/** The unit of work that acts on an object: one of the running code, else the one that holds it, which needs no default store. */
export async function unitOf(state: ObjectState): Promise<UnitOfWork> {
  const unit = unitIfOpen() ?? state.unit ?? (await currentUnit())
  return unit.unitFor(state)
}

/** The first store that a program connects is its default. */
export function setProgramUnit(unit: UnitOfWork | undefined): void {
  program = unit
}

export const programUnit = (): UnitOfWork | undefined => program

/** How the default store is opened when nothing was connected; installed by the package's entry. */
export function setDefaultOpener(open: () => Promise<UnitOfWork>): void {
  opener = open
}
