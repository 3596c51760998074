/** A program on a real store and its model: the instances that it holds, each beside what it should be. */
import assert from 'node:assert/strict'
import { type Id, InsituError, NotLoadedError, StorageObject, type Store } from '../../runtime/index.js'
import { ALIASES } from './objects-actions.js'
import { type AnyNode, NODE_CLASSES } from './objects-classes.js'
import { type Instance, inOrder, isInstance, type Program, Refusal } from './objects-model.js'
import { textWithObjects } from './objects-values.js'

/** An instance, and what it should be. */
export interface Pair {
  readonly real: AnyNode
  readonly model: Instance
}

export const isReal = (value: object): value is AnyNode => value instanceof StorageObject
export const NEVER_STORED = '01890000-0000-7000-8000-000000000000' as Id

/** What a call gave: a value, or the code of its error. */
export type Outcome = { readonly value: unknown } | { readonly code: string }

/** How often which action ended how: that programs do more than fail. */
export const tally = new Map<string, number>()
export const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1)

export async function outcomeOf(call: () => unknown): Promise<Outcome> {
  try {
    return { value: await call() }
  } catch (error) {
    if (error instanceof Refusal || error instanceof InsituError) return { code: error.code }
    throw error
  }
}

/** As `outcomeOf`, of the model. */
export function told(call: () => unknown): Outcome {
  try {
    return { value: call() }
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code }
    throw error
  }
}

export const endOf = (outcome: Outcome): string => ('code' in outcome ? outcome.code : 'well')

/** Real ids, and the numbers that the model gives. */
export class Ids {
  readonly #ids = new Map<number, Id>()
  readonly #keys = new Map<Id, number>()

  assertSame(key: number | undefined, id: Id | null): void {
    if (key === undefined || id === null) return assert.equal(id ?? undefined, key, 'whether it is persistent')
    if (!this.#ids.has(key) && !this.#keys.has(id)) {
      this.#ids.set(key, id)
      this.#keys.set(id, key)
    }
    assert.equal(this.#ids.get(key), id, 'its id')
    assert.equal(this.#keys.get(id), key, 'whose id it is')
  }

  constructor(readonly prefix: string) {}

  alias(at: number): string {
    return this.prefix + ALIASES[at]
  }

  of(key: number): Id {
    return this.#ids.get(key)!
  }

  /** Some id that was given, of what stands or of what is gone. */
  pick(at: number): [key: number, id: Id] {
    const all = [...this.#ids]
    return all[at % (all.length + 1)] ?? [-1, NEVER_STORED]
  }
}

/** A program on the store. */
export class Session {
  readonly known: Pair[] = []
  readonly #models = new Map<AnyNode, Instance>()
  readonly #reals = new Map<Instance, AnyNode>()

  constructor(
    readonly store: Store,
    readonly program: Program,
    readonly ids: Ids,
  ) {}

  pick(at: number): Pair | undefined {
    return this.known[at % this.known.length]
  }

  /** That an instance is the one that it should be: the same one each time. */
  meet(real: AnyNode, model: Instance): void {
    if (!this.#models.has(real) && !this.#reals.has(model)) {
      this.#models.set(real, model)
      this.#reals.set(model, real)
      this.known.push({ real, model })
    }
    assert.equal(this.#models.get(real), model, 'which instance it is')
    assert.equal(this.#reals.get(model), real, 'that it is one instance')
  }

  /** That all instances are as they should be; some are met for the first time meanwhile. */
  check(): void {
    for (let i = 0; i < this.known.length; i++) this.#checkOne(this.known[i]!)
  }

  #checkOne({ real, model }: Pair): void {
    this.ids.assertSame(model.key, real.getID())
    if (!model.isLoaded) return void assert.throws(() => real['a'], NotLoadedError)
    assert.equal(real.constructor, NODE_CLASSES[model.cls])
    const [told, reals] = textWithObjects(inOrder(real), isReal)
    const [expected, models] = textWithObjects(inOrder(model.fields), isInstance)
    assert.equal(told, expected)
    for (const [i, one] of reals.entries()) this.meet(one, models[i]!)
  }
}
