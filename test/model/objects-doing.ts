/** What a program is asked to do is done to the real store and to its model, and what they give is compared. */
import assert from 'node:assert/strict'
import { getByID, loadAll, transact, update } from '../../runtime/index.js'
import { recordOf } from '../../src/objects/class-settings.js'
import type { Action, Change, Step } from './objects-actions.js'
import { type AnyNode, NODE_CLASSES } from './objects-classes.js'
import { Instance, isInstance, merges, Refusal, type Unit } from './objects-model.js'
import { count, endOf, type Ids, isReal, type Outcome, outcomeOf, type Pair, type Session, told } from './objects-session.js'
import { Transaction } from './objects-transaction.js'
import { build, changeInPlace } from './objects-values.js'

/** The error of a body. */
const thrown = (): never => {
  throw new Refusal('of the body')
}

/** How often a body that met a conflict runs again. */
const RETRIES = 2

let touches = 100

/** Has another program do something meanwhile: a step, or a change of an object. */
export type Elsewhere = (here: Session, what: Step | number) => Promise<void>

/** Of an object that merges one instance: each of two at once takes what the other has stored, or not, as they meet. */
const oneEach = (pairs: readonly Pair[]): Pair[] =>
  pairs.filter(
    ({ model }, i) => !merges(model.cls) || pairs.findIndex((one) => one.model.key === model.key) === i || model.key === undefined,
  )

/** Carries out the actions of a session. */
export class Doing {
  constructor(
    readonly session: Session,
    readonly unit: Unit,
    readonly ids: Ids,
    readonly elsewhere: Elsewhere,
  ) {}

  /** Changes an object, as another program that is faster does. */
  async touch(key: number): Promise<void> {
    if (!this.unit.stored(key)) return
    await this.#both(
      'touch',
      () => NODE_CLASSES[this.unit.stored(key)!.cls]!.getByID(this.ids.of(key)),
      () => this.unit.getByKey(this.unit.stored(key)!.cls, key, 0),
    )
    const at = this.session.known.findIndex(({ model }) => model === this.unit.held.get(key))
    await this.do({ do: 'set', at, field: 'b', to: { is: 'plain', value: touches++ } })
    await this.do({ do: 'save', at })
  }

  /** Does the same to both, and compares what they give. */
  async #both(what: string, real: () => Promise<unknown>, model: () => unknown): Promise<void> {
    const expected = told(model)
    const found = await outcomeOf(real)
    count(`${what}: ${endOf(expected)}`)
    assert.equal(endOf(found), endOf(expected))
    if ('value' in expected && 'value' in found) this.#compare(found.value, expected.value)
  }

  #compare(found: unknown, expected: unknown): void {
    if (isInstance(expected)) this.session.meet(found as AnyNode, expected)
    else if (Array.isArray(expected)) for (const [i, one] of expected.entries()) this.#compare((found as unknown[])[i], one)
    else assert.equal(found, expected)
  }

  async do(action: Action): Promise<void> {
    switch (action.do) {
      case 'new': {
        const real = new NODE_CLASSES[action.cls]!()
        const model = new Instance(action.cls)
        Object.assign(model.fields, real)
        return this.session.meet(real, model)
      }
      case 'byKey': {
        const [key, id] = this.ids.pick(action.key)
        const { cls, depth } = action
        return this.#both(
          action.do,
          () => NODE_CLASSES[cls]!.getByID(id, { depth }),
          () => this.unit.getByKey(cls, key, depth),
        )
      }
      case 'byKeys': {
        const picked = action.keys.map((at) => this.ids.pick(at))
        return this.#both(
          action.do,
          async () => [await getByID(...picked.map(([, id]) => id))].flat(),
          () => this.unit.getByKeys(picked.map(([key]) => key)),
        )
      }
      case 'byAlias': {
        const { cls, depth } = action
        const alias = this.ids.alias(action.alias)
        return this.#both(
          action.do,
          () => NODE_CLASSES[cls]!.getByAlias(alias, { depth }),
          () => this.unit.getByAlias(cls, alias, depth),
        )
      }
      case 'load': {
        const pairs = this.#pairs(action.at).filter(({ model }) => model.unit === undefined || model.unit === this.unit)
        return this.#both(
          action.do,
          () => loadAll(pairs.map(({ real }) => real)).then(() => undefined),
          () => this.unit.load(pairs.map(({ model }) => model)),
        )
      }
      case 'saveAll':
        return this.#saveAll(oneEach(this.#pairs(action.at)))
      case 'restart':
        return
      case 'transact':
        return this.#transact(action)
      default: {
        const pair = this.session.pick(action.at)
        // An instance of the program is no part of a transaction before it is saved inside.
        const isOutside = pair?.model.unit !== undefined && pair.model.unit !== this.unit
        if (pair && !(isOutside && action.do === 'reload')) await this.#doTo(pair, action)
      }
    }
  }

  #pairs(at: readonly number[]): Pair[] {
    return [...new Set(at.flatMap((one) => this.session.pick(one) ?? []))]
  }

  async #saveAll(pairs: readonly Pair[]): Promise<void> {
    // What is volatile when all are called is not made persistent by another's save in time.
    const stands = pairs.map(({ model }) => model.key !== undefined)
    const expected = pairs.map(({ model }, i) => (stands[i] ? told(() => this.unit.save(model)) : { code: 'ERR_NOT_PERSISTENT' }))
    const found = await Promise.all(pairs.map(({ real }) => outcomeOf(() => real.save())))
    assert.deepEqual(found.map(endOf), expected.map(endOf))
    for (const one of expected) count(`saveAll: ${endOf(one)}`)
  }

  async #doTo(pair: Pair, action: Extract<Action, { at: number }>): Promise<void> {
    const { real, model } = pair
    const { unit } = this
    const alias = 'alias' in action && action.alias !== undefined ? this.ids.alias(action.alias) : undefined
    switch (action.do) {
      case 'persist': {
        const { ifExists } = action
        return this.#both(
          action.do,
          () => real.makePersistent(alias, { ifExists }),
          () => unit.persist(model, alias, ifExists),
        )
      }
      case 'save':
        return this.#both(
          action.do,
          () => real.save(),
          () => unit.save(model),
        )
      case 'reload':
        return this.#both(
          action.do,
          () => real.reload({ discard: action.discard }),
          () => {
            unit.reload(model, action.discard)
            return model
          },
        )
      case 'addAlias':
        return this.#both(
          action.do,
          () => real.addAlias(alias!),
          () => unit.addAlias(model, alias!),
        )
      case 'removeAlias':
        return this.#both(
          action.do,
          () => real.removeAlias(alias!),
          () => unit.removeAlias(model, alias!),
        )
      case 'aliases':
        return this.#both(
          action.do,
          () => real.aliases(),
          () => unit.aliases(model),
        )
      case 'delete':
        return this.#both(
          action.do,
          () => real.deletePersistent({ deep: action.deep }),
          () => unit.delete(model, action.deep),
        )
      case 'newVersion':
        return this.#both(
          action.do,
          () => real.newVersion(),
          () => this.session.program.newVersion(model),
        )
      case 'consolidate':
        return this.#both(
          action.do,
          () => real.consolidateVersion(),
          () => this.session.program.consolidateVersion(model),
        )
      case 'update':
        return this.#update(pair, action)
      default:
        this.change(pair, action)
    }
  }

  /** Both run the same body; after it the model says what becomes of it, and whether it runs again. */
  async #transact({ body, check, ending, other }: Extract<Action, { do: 'transact' }>): Promise<void> {
    let expected: Outcome = { code: 'the body has not run' }
    let mayRun = true
    let runs = 0
    const run = async (): Promise<void> => {
      assert.ok(mayRun, 'whether the body runs again')
      runs++
      const unit = new Transaction(this.session.program)
      const inside = new Doing(this.session, unit, this.ids, this.elsewhere)
      for (const act of body) {
        await inside.do(act)
        this.session.check()
      }
      if (ending === 'conflicts' && runs === 1) await this.elsewhere(this.session, other)
      expected = told(() => (ending === 'throws' ? thrown() : unit.commit(check)))
      mayRun = 'code' in expected && expected.code === 'ERR_CONFLICT' && runs <= RETRIES
      if ('code' in expected) unit.rollback()
      if (ending === 'throws') thrown()
    }
    const found = await outcomeOf(() => transact(run, { check, retries: RETRIES }))
    assert.equal(endOf(found), endOf(expected))
    count(`transact: ${endOf(expected)}${runs > 1 ? ' again' : ''}`)
  }

  async #update(pair: Pair, { body, ending }: Extract<Action, { do: 'update' }>): Promise<void> {
    const { program } = this.session
    const { real, model } = pair
    let runs = 0
    const reload = (): Outcome => told(() => program.reload(model, true))
    let expected = model.key !== undefined && program.isDirty(model) ? { code: 'ERR_UNSAVED_CHANGES' } : reload()
    const run = async (): Promise<void> => {
      assert.equal(endOf(expected), 'well', 'whether the body runs')
      runs++
      this.session.check()
      for (const change of body) this.change(pair, change)
      if (ending === 'conflicts' && runs === 1) await this.elsewhere(this.session, model.key!)
      expected = told(() => (ending === 'throws' ? thrown() : program.save(model)))
      if ('code' in expected) {
        const again = reload()
        if (expected.code === 'ERR_CONFLICT') expected = again
      }
      if (ending === 'throws') thrown()
    }
    const found = await outcomeOf(() => update(real, run))
    assert.equal(endOf(found), endOf(expected))
    count(`update: ${endOf(expected)}${runs > 1 ? ' again' : ''}`)
  }

  /** Changes the fields of an instance and of its model alike. */
  change({ real, model }: Pair, action: Change): void {
    if (!model.isLoaded) return
    const fields = recordOf(real)
    switch (action.do) {
      case 'set':
        fields[action.field] = build(action.to, (at) => this.session.pick(at)!.real)
        model.fields[action.field] = build(action.to, (at) => this.session.pick(at)!.model)
        return
      case 'link': {
        const to = this.session.pick(action.to)!
        fields['link'] = to.real
        model.fields['link'] = to.model
        return
      }
      case 'share':
        // What fields of such a class share is one field to whoever merges: it has laws of its own.
        if ((real.constructor as { merge?: string }).merge) return
        fields[action.field] = fields[action.from]
        model.fields[action.field] = model.fields[action.from]
        return
      case 'inPlace':
        changeInPlace(fields[action.field], action.how, isReal)
        changeInPlace(model.fields[action.field], action.how, isInstance)
        return
      case 'unset':
        delete fields[action.field]
        delete model.fields[action.field]
        return
      default:
        action satisfies never
    }
  }
}
