/**
 * Two programs and one who only looks, on one stored dict, and the model beside them. A long file on purpose: one kind of action after the
 * other.
 */
import assert from 'node:assert/strict'
import {
  ConflictError,
  InsituError,
  NotFoundError,
  StorageSets,
  type Store,
  transact,
  UnsavedChangesError,
  UnsupportedError,
  update,
  ValidationError,
} from '../../runtime/index.js'
import { refused } from '../conformance/expect.js'
import type { Action, Plan, Transaction, Walk, Who, Written } from './dict-actions.js'
import { Notes } from './dict-notes.js'
import { type Change, compareKeys, type Fields, type Row, Rows, readKey, readValues, shownValues } from './dict-oracle.js'
import { type Asked, ask, canBeAsked, type Query } from './dict-queries.js'
import { type AnyDict, type AnySets, classOf, dictOf, formerOf, nameOf, type Owner, type Shape, within } from './dict-shape.js'
import { Pointer, replaced, show, spoil, TARGETS, Target } from './dict-types.js'

/** Data on which programs run one after the other: each opens it anew. */
export interface Ground {
  open(): Promise<Store>
}

interface Program {
  store: Store
  /** What its class is like. */
  shape: Shape
  owner: Owner
  targets: Target[]
  /** Not yet saved. */
  pending: Change[]
}

class Failure extends Error {}

export class World {
  readonly #shape: Shape
  readonly #stored: Rows
  #notes: Notes

  private constructor(
    readonly ground: Ground,
    readonly plan: Plan,
    /** The two that act; the last one only looks, and has nothing unsaved. */
    readonly programs: readonly [Program, Program, Program],
  ) {
    this.#shape = plan.shape
    this.#stored = new Rows(plan.shape)
    this.#notes = new Notes(this.#stored)
  }

  /** Makes the dict, first volatile, then stored, and gives the world once everybody has it. */
  static async made(ground: Ground, stores: readonly Store[], plan: Plan): Promise<World> {
    const [mine, ...others] = stores as [Store, Store, Store]
    const targets = await mine.run(() => madeTargets())
    const shape = formerOf(plan.shape)
    const owner = mine.run(() => new (classOf(plan.shape, true))())
    const rows = await writtenVolatile(mine, { ...plan, shape }, owner, targets)
    await mine.run(async () => owner.makePersistent())
    const first: Program = { store: mine, shape, owner, targets, pending: [] }
    const [second, third] = await Promise.all(others.map((store) => joined(store, plan.shape, first)))
    const world = new World(ground, plan, [first, second!, third!])
    world.#store(0, rows)
    if (plan.filler.length > 0) await world.#bulk({ do: 'bulk', who: 0, rows: plan.filler })
    await world.#look()
    return world
  }

  async run(): Promise<void> {
    for (const [i, action] of this.plan.actions.entries())
      try {
        await this.#act(action)
        await this.#look()
      } catch (error) {
        if (error instanceof Error) error.message = `action ${i} (${action.do}): ${error.message}`
        throw error
      }
  }

  /** Removes the dict: nobody finds it afterwards, and what is unsaved has nowhere to go. */
  async end(): Promise<void> {
    const [first, second] = this.programs
    const id = first.owner.getID()!
    await first.store.run(() => first.owner.deletePersistent())
    await second.store.run(async () => {
      if (second.pending.length > 0) await assert.rejects(second.owner.save(), InsituError, 'saved rows of a dict that is gone')
    })
    await this.programs[2].store.run(() => refused(NotFoundError, () => classOf(this.#shape).getByID(id)))
    await second.store.run(() => second.owner.reload({ discard: true })).catch(() => {})
    await first.store.run(async () => {
      for (const target of first.targets) await target.deletePersistent()
    })
  }

  // ---- what is seen

  #view(who: number): Rows {
    const { pending, shape } = this.programs[who]!
    return this.#stored.with(pending).as(shape)
  }

  #asked({ shape, targets, owner }: Program, rows: Rows): Asked {
    return { shape, dict: dictOf(owner), rows: rows.as(shape), given: givenTo(targets), seen: seenBy(targets), isStored: true }
  }

  /** What is stored, as somebody sees it who has written nothing; and where reading changes nothing, what each of the two sees. */
  async #look(): Promise<void> {
    await this.#ask(2, { ask: 'all' })
    await this.#ask(2, { ask: 'get', keys: this.plan.keys.slice(0, 4) })
    if (this.#shape.writes === 'lww') for (const who of [0, 1] as const) await this.#ask(who, { ask: 'all' })
  }

  async #ask(who: number, query: Query): Promise<void> {
    const program = this.programs[who]!
    if (!canBeAsked(program.shape, query)) return
    const shown = await program.store.run(() => ask(this.#asked(program, this.#view(who)), query))
    if (who > 1) return
    const keys = query.ask === 'get' ? query.keys.map((key) => readKey(this.#shape.keys, key)) : shown.map(({ key }) => key)
    this.#notes.shown(who, keys, this.#keysOf(program.pending))
    this.#notes.touched(who)
  }

  // ---- what is done

  async #act(action: Action): Promise<void> {
    switch (action.do) {
      case 'write':
        return this.#write(action)
      case 'save':
        return this.#save(action.who, action.by)
      case 'discard':
        return this.#discard(action.who)
      case 'clear':
        return this.#clear(action.who)
      case 'reopen':
        return this.#reopen(action)
      case 'clearSet':
        return this.#clearSet(action)
      case 'bulk':
        return this.#bulk(action)
      case 'update':
        return this.#update(action)
      case 'transact':
        return this.#transact(action)
      case 'walk':
        return this.#walk(action)
      case 'ask':
        return this.#ask(action.who, action.query)
    }
  }

  /** Nothing is written that waits to be saved. */
  get #areCounters(): boolean {
    return this.#shape.writes === 'counters'
  }

  /** Programs write what their class has. */
  #known(who: number, written: readonly Written[]): readonly Written[] {
    return written.flatMap((one) => knownTo(this.programs[who]!.shape, one))
  }

  #changes(who: number, written: readonly Written[]): Change[] {
    return this.#known(who, written).map((one) => changeOf(this.programs[who]!.shape, one))
  }

  #keysOf(changes: readonly Change[]): Set<string> {
    return new Set(changes.map(({ key }) => show(key)))
  }

  /** The model's own commit. */
  #store(who: number, changes: readonly Change[]): void {
    for (const change of changes) {
      this.#stored.apply(change)
      this.#notes.stored(change)
    }
    if (who < 2) this.#notes.wrote(who, changes)
  }

  async #write({ who, changes, atOnce }: Extract<Action, { do: 'write' }>): Promise<void> {
    if (this.#areCounters) return this.#count(who, changes)
    const { store, owner, targets, pending } = this.programs[who]
    await store.run(async () => write(dictOf(owner), this.#known(who, changes), targets, atOnce))
    pending.push(...this.#changes(who, changes))
  }

  /** Adds to counters of a store's own: that is stored at once. All else is refused. */
  async #count(who: number, changes: readonly Written[]): Promise<void> {
    const { store, owner, targets } = this.programs[who]!
    const given = givenTo(targets)
    for (const one of this.#known(who, changes))
      await store.run(() =>
        one.do === 'add'
          ? dictOf(owner).increment(given(one.key), one.counter as never, one.by)
          : refused(UnsupportedError, () => write(dictOf(owner), [one], targets, false)),
      )
    this.#store(
      who,
      this.#changes(who, changes).filter((change) => change.do === 'add'),
    )
  }

  /** A program commits something by itself. */
  async #commit(who: Who, changes: readonly Written[]): Promise<void> {
    if (this.#areCounters) return this.#count(who, changes)
    const { store, owner, targets } = this.programs[who]
    await store.run(() => transact(() => write(dictOf(owner), this.#known(who, changes), targets, false)))
    this.#store(2, this.#changes(who, changes))
  }

  async #save(who: Who, by: 'owner' | 'dict'): Promise<void> {
    const program = this.programs[who]
    const { store, owner } = program
    const verdict = this.#notes.verdict(who, program.pending)
    const isStored = await store.run(async () => settled(() => (by === 'owner' ? owner.save() : dictOf(owner).save())))
    if (isStored) {
      assert.notEqual(verdict, 'conflict', 'a row that had changed since it was read was written over')
      this.#store(who, program.pending.splice(0))
    } else assert.notEqual(verdict, 'none', 'a conflict over rows that nobody had changed')
  }

  async #discard(who: Who): Promise<void> {
    const program = this.programs[who]
    await program.store.run(() => program.owner.reload({ discard: true }))
    program.pending.length = 0
    this.#notes.forgot(who)
  }

  async #clear(who: Who): Promise<void> {
    const { store, owner, pending } = this.programs[who]
    const rows = this.#view(who).inOrder()
    if (this.#areCounters && rows.length > 0) return void (await store.run(() => refused(UnsupportedError, () => dictOf(owner).clear())))
    await store.run(() => dictOf(owner).clear())
    const keys = rows.map(({ key }) => key)
    this.#notes.shown(who, keys, this.#keysOf(pending))
    this.#notes.touched(who)
    pending.push(...keys.map((key): Change => ({ do: 'delete', key })))
  }

  async #clearSet({ who, key }: Extract<Action, { do: 'clearSet' }>): Promise<void> {
    const { store, owner, targets, pending } = this.programs[who]
    const { element: _, ...name } = key
    const columns = this.#shape.keys.slice(0, -1)
    const rows = this.#view(who)
      .inOrder()
      .filter((row) => compareKeys(columns, row.key, readKey(columns, name)) === 0)
    await store.run(() => (dictOf(owner) as AnySets).clearOf(givenTo(targets)(name)))
    const keys = rows.map((row) => row.key)
    this.#notes.shown(who, keys, this.#keysOf(pending))
    this.#notes.touched(who)
    pending.push(...keys.map((one): Change => ({ do: 'delete', key: one })))
  }

  /** Closing saves what is unsaved. */
  async #reopen({ who, isFormer }: Extract<Action, { do: 'reopen' }>): Promise<void> {
    const program = this.programs[who]
    if (this.#shape.writes === 'cas' && program.pending.length > 0) await this.#discard(who)
    const id = program.owner.getID()!
    await program.store.close()
    this.#store(who, program.pending.splice(0))
    program.store = await this.ground.open()
    const again = await joined(program.store, this.#shape, this.programs[2], isFormer)
    assert.equal(again.owner.getID(), id)
    program.shape = again.shape
    program.owner = again.owner
    program.targets = again.targets
    this.#notes.forgot(who)
  }

  async #bulk({ who, rows }: Extract<Action, { do: 'bulk' }>): Promise<void> {
    const { store, owner, targets, shape } = this.programs[who]
    const given = rows.map(([key, values]): [Fields, Fields] => [key, within(shape, values)])
    const load = (): Promise<number> => store.run(() => dictOf(owner).bulk(givenTo(targets)(given)))
    if (this.#areCounters) return void (await refused(UnsupportedError, load))
    assert.equal(await load(), rows.length)
    const changes = this.#changes(
      who,
      given.map(([key, values]) => ({ do: 'set', key, values })),
    )
    this.#store(2, changes)
    this.#notes.touched(who)
  }

  async #update({ who, changes, fails }: Extract<Action, { do: 'update' }>): Promise<void> {
    const { store, owner, targets, pending } = this.programs[who]
    const known = this.#areCounters ? [] : this.#known(who, changes)
    const work = (): Promise<unknown> =>
      update(owner, (o) => {
        o.note += '+'
        write(dictOf(o), known, targets, false)
        if (fails) throw new Failure('as planned')
      })
    await store.run(async () => {
      if (pending.length > 0) await refused(UnsavedChangesError, work)
      else if (fails) await assert.rejects(work(), Failure)
      else await work()
    })
    if (pending.length > 0) return
    this.#notes.forgot(who)
    if (!fails) this.#store(who, this.#changes(who, known))
  }

  async #transact({ who, reads, between, changes, query, check, fails }: Transaction): Promise<void> {
    const program = this.programs[who]
    const known = this.#areCounters ? [] : this.#known(who, changes)
    const own = this.#changes(who, known)
    let attempts = 0
    let mustRepeat = false
    const body = async (): Promise<void> => {
      const dict = dictOf(program.owner)
      await ask(this.#asked(program, this.#stored), { ask: 'get', keys: reads })
      if (attempts++ === 0 && between.length > 0) mustRepeat = await this.#comeBetween(who, between, { reads, own, check })
      if (this.#areCounters) await this.#countsNothing(program, changes)
      write(dict, known, program.targets, false)
      if ((!mustRepeat || attempts > 1) && canBeAsked(program.shape, query)) await ask(this.#asked(program, this.#stored.with(own)), query)
      if (fails) throw new Failure('as planned')
    }
    const done = await program.store.run(async () => settled(() => transact(body, { check }), Failure))
    assert.equal(done, !fails, 'a transaction ended otherwise than its body')
    if (mustRepeat && !fails) assert.ok(attempts > 1, 'a transaction went through with a row that had changed since it was read')
    if (between.length === 0) assert.equal(attempts, 1, 'a transaction ran again for nothing')
    if (!fails) this.#store(2, own)
    this.#notes.touched(who)
  }

  /** What counts at once is refused where attempts may fail. */
  async #countsNothing({ owner, targets, shape }: Program, changes: readonly Written[]): Promise<void> {
    for (const one of changes.flatMap((change) => knownTo(shape, change)))
      if (one.do === 'add')
        await refused(UnsupportedError, () => dictOf(owner).increment(givenTo(targets)(one.key), one.counter as never, one.by))
  }

  /** The other program commits something of its own; gives whether the transaction around cannot go through. */
  async #comeBetween(
    who: Who,
    between: readonly Written[],
    { reads, own, check }: { reads: readonly Fields[]; own: readonly Change[]; check: boolean },
  ): Promise<boolean> {
    const other = who === 0 ? 1 : 0
    const before = this.#notes.versions()
    await this.#commit(other, between)
    this.#notes.touched(other)
    if (this.#shape.writes !== 'cas') return false
    const written = this.#keysOf(own.filter((change) => change.do !== 'add'))
    return reads
      .map((key) => show(readKey(this.#shape.keys, key)))
      .some((key) => this.#notes.hasChanged(key, before) && (check || written.has(key)))
  }

  /** A scan sees each row that stands during all of it once, and the others as they were at one time or another, or not. */
  async #walk({ who, after, reverse, mine, saves, theirs }: Walk): Promise<void> {
    const program = this.programs[who]
    const before = this.#view(who)
    const views = [before]
    this.#notes.touched(who)
    const found: [unknown, unknown][] = []
    await program.store.run(async () => {
      for await (const row of dictOf(program.owner).range({}, { reverse })) {
        found.push(row as [unknown, unknown])
        if (found.length === after) await this.#meanwhile(who, { mine, saves, theirs }, views)
      }
    })
    this.#notes.touched(who)
    // Rows that were shown count from then on, each as it was when the scan read it.
    this.#notes.forgot(who)
    const seen = seenBy(program.targets)
    this.#checkWalk(
      program.shape,
      found.map(([key, values]): Row => ({ key: seen(key), values: seen(values) })),
      views,
      reverse,
    )
  }

  async #meanwhile(who: Who, { mine, saves, theirs }: Pick<Walk, 'mine' | 'saves' | 'theirs'>, views: Rows[]): Promise<void> {
    const other = who === 0 ? 1 : 0
    if (theirs.length > 0) {
      await this.#commit(other, theirs)
      this.#notes.touched(other)
      views.push(this.#view(who))
    }
    if (mine.length > 0) {
      await this.#write({ do: 'write', who, changes: mine, atOnce: false })
      // also over stored rows that were fetched ahead, before the other's changes
      views.push(this.#view(who), views[0]!.with(this.#changes(who, mine)))
    }
    this.#notes.touched(who)
    if (saves) await this.#save(who, 'dict')
    views.push(this.#view(who))
  }

  #checkWalk(shape: Shape, found: readonly Row[], views: readonly Rows[], reverse: boolean): void {
    const { keys } = shape
    const forms = views.map((view) => new Map(view.inOrder().map((row) => [show(row.key), show(shownValues(shape, row))])))
    const seen = new Map(found.map((row) => [show(row.key), show(row.values)]))
    assert.equal(seen.size, found.length, 'a scan gave a row twice')
    for (const [i, row] of found.entries())
      if (i > 0) assert.ok(compareKeys(keys, found[i - 1]!.key, row.key) * (reverse ? -1 : 1) < 0, 'a scan gave rows out of order')
    for (const [key, values] of seen)
      assert.ok(
        forms.some((form) => form.get(key) === values),
        `a scan gave what never was: ${key} ${values}`,
      )
    for (const [key, values] of forms[0]!)
      if (forms.every((form) => form.get(key) === values)) assert.ok(seen.has(key), `a scan left out ${key}, which stood during all of it`)
  }
}

// ---- making and joining

async function madeTargets(): Promise<Target[]> {
  const targets = Array.from({ length: TARGETS }, () => new Target())
  for (const target of targets) await target.makePersistent()
  return targets.sort((a, b) => (a.getID()! < b.getID()! ? -1 : 1))
}

async function joined(store: Store, shape: Shape, known: Program, isFormer = false): Promise<Program> {
  return store.run(async () => {
    const owner = await classOf(shape, isFormer).getByID(known.owner.getID()!)
    const targets = await Promise.all(known.targets.map((target) => Target.getByID(target.getID()!)))
    return { store, shape: isFormer ? formerOf(shape) : shape, owner, targets, pending: [] }
  })
}

/** Fills the dict before it is stored, asks it, and gives what it then holds. */
async function writtenVolatile(store: Store, plan: Plan, owner: Owner, targets: readonly Target[]): Promise<Change[]> {
  const { shape } = plan
  const changes: Change[] = []
  for (const all of plan.volatile) {
    const written = all.flatMap((one) => knownTo(shape, one))
    if (shape.writes === 'counters') {
      for (const one of written)
        if (one.do === 'add')
          await refused(ValidationError, () => store.run(() => dictOf(owner).increment(givenTo(targets)(one.key), one.counter as never)))
      continue
    }
    await store.run(async () => write(dictOf(owner), written, targets, false))
    changes.push(...written.map((one) => changeOf(shape, one)))
    const asked = {
      shape,
      dict: dictOf(owner),
      rows: new Rows(shape).with(changes),
      given: givenTo(targets),
      seen: seenBy(targets),
      isStored: false,
    }
    // before anything is stored objects need not have ids, by which they could be ordered
    if (nameOf(shape).includes('ref')) continue
    for (const query of [{ ask: 'all' } as const, ...plan.asked.filter((one) => canBeAsked(shape, one))])
      await store.run(() => ask(asked, query))
  }
  return changes
}

// ---- in and out

const givenTo =
  (targets: readonly Target[]) =>
  (value: unknown): any =>
    replaced(value, (part) => (part instanceof Pointer ? targets[part.n] : undefined))

const seenBy =
  (targets: readonly Target[]) =>
  (value: unknown): any =>
    replaced(value, (part) => (part instanceof Target ? new Pointer(targets.findIndex((one) => one.getID() === part.getID())) : undefined))

function changeOf(shape: Shape, written: Written): Change {
  const key = readKey(shape.keys, written.key)
  if (written.do === 'set') return { do: 'set', key, values: readValues(shape, written.values), as: shape }
  return written.do === 'delete' ? { do: 'delete', key } : { ...written, key, by: BigInt(written.by) }
}

/** What a program of this class can write of it. */
function knownTo(shape: Shape, written: Written): Written[] {
  if (written.do === 'set') return [{ ...written, values: within(shape, written.values) }]
  return written.do === 'delete' || shape.values.some(({ name }) => name === written.counter) ? [written] : []
}

/** `atOnce`: rows that are set one after the other go in by one call. */
function write(dict: AnyDict, changes: readonly Written[], targets: readonly Target[], atOnce: boolean): void {
  const given = givenTo(targets)
  if (dict instanceof StorageSets) return changeSets(dict, changes, given, atOnce)
  const rows = atOnce ? changes.filter((one) => one.do === 'set') : []
  if (rows.length > 1 && rows.length === changes.length)
    return void dict.setMany(rows.map(({ key, values }) => [given(key), given(values)]))
  for (const one of changes)
    if (one.do === 'set') {
      const values = given(one.values)
      dict.set(given(one.key), values)
      spoil(values)
    } else if (one.do === 'delete') dict.delete(given(one.key))
    else dict.add(given(one.key), one.counter as never, one.by)
}

/** By their own methods, or as the dict that they are. */
function changeSets(sets: AnySets, changes: readonly Written[], given: (value: unknown) => any, asDict: boolean): void {
  for (const one of changes) {
    const { element, ...name } = given(one.key) as Record<string, unknown>
    if (one.do === 'set') asDict ? sets.set(given(one.key), {}) : sets.addTo(name, element, given(element))
    else asDict ? sets.delete(given(one.key)) : sets.removeFrom(name, element)
  }
}

/** False when it fails with an error of this kind. */
async function settled(work: () => Promise<unknown>, kind: typeof Failure | typeof ConflictError = ConflictError): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof kind) return false
    throw error
  }
}
