/** What the documentation says of transactions. */
import { type IfExists, type Instance, isInstance, isSubclass, keyOf, merges, type Program, Refusal, Unit } from './objects-model.js'
import { copyOf, textWithObjects } from './objects-values.js'

/** What a transaction does: all of it at its end, or nothing. */
export class Transaction extends Unit {
  readonly #created = new Set<Instance>()
  readonly #loaded = new Set<Instance>()
  /** Instances of the program that were saved inside. */
  readonly #enlisted = new Set<Instance>()
  readonly #removed = new Map<number, Instance>()
  /** Of these, what stood. */
  readonly #dropped = new Set<Instance>()
  readonly #names = new Map<string, { readonly expect: number | undefined; readonly to: number | undefined }>()

  constructor(readonly program: Program) {
    super(program.store)
  }

  override named(alias: string): number | undefined {
    const own = this.#names.get(alias)
    return own ? own.to : super.named(alias)
  }

  protected override taken(one: Instance): void {
    this.#loaded.add(one)
  }

  override fetch(keys: readonly number[], depth: number, met = new Set<number>()): (Instance | undefined)[] {
    const own = keys.map((key) => [...this.#created].find((one) => one.key === key))
    const stored = keys.filter((key, i) => !own[i] && !this.#removed.has(key))
    const fetched = super.fetch(stored, depth, met)
    return keys.map((key, i) => own[i] ?? (this.#removed.has(key) ? undefined : fetched.shift()))
  }

  override getByKey(cls: number, key: number, depth: number): Instance {
    const held = this.held.get(key)
    if (held && this.#created.has(held) && !isSubclass(held.cls, cls)) throw new Refusal('ERR_WRONG_CLASS')
    const stored = this.stored(key)
    if (stored && !this.#removed.has(key) && !isSubclass(stored.cls, cls)) throw new Refusal('ERR_WRONG_CLASS')
    const [found] = this.fetch([key], depth)
    if (!found) throw new Refusal('ERR_NOT_FOUND')
    return found
  }

  #create(roots: readonly Instance[]): void {
    const fresh = this.reached(roots).filter((one) => one.key === undefined)
    for (const one of fresh) this.adopt(one, this.store.newKey(one.cls))
    for (const one of fresh) this.#created.add(one)
  }

  persist(one: Instance, alias: string | undefined, ifExists: IfExists): Instance {
    this.#requireStanding(one)
    const held = alias === undefined ? undefined : this.named(alias)
    if (held !== undefined && held !== one.key) {
      const isNew = !this.held.has(held) && this.stored(held) !== undefined
      if (ifExists === 'open' && one.key === undefined && isNew) return this.#open(one, held)
      const [stands] = this.fetch([held], 0)
      if (stands && ifExists === 'open' && one.key === undefined) {
        if (stands.cls !== one.cls) throw new Refusal('ERR_WRONG_CLASS')
        return stands
      }
      if (stands && ifExists !== 'replace') throw new Refusal('ERR_ALIAS_TAKEN')
    }
    if (one.key === undefined) this.#create([one])
    else if (alias !== undefined && held !== one.key && !this.#created.has(one) && !this.#loaded.has(one) && !this.stored(one.key))
      throw new Refusal('ERR_NOT_FOUND')
    if (alias !== undefined && held !== one.key) this.#rename(alias, one.key)
    return one
  }

  #open(one: Instance, key: number): Instance {
    if (this.stored(key)!.cls !== one.cls) throw new Refusal('ERR_WRONG_CLASS')
    this.adopt(one, key)
    this.take(one, this.stored(key)!)
    return one
  }

  #rename(alias: string, to: number | undefined): void {
    const own = this.#names.get(alias)
    this.#names.set(alias, { expect: own ? own.expect : super.named(alias), to })
  }

  save(one: Instance): void {
    const key = this.#requireStanding(one) ?? keyOf(one)
    if (!one.isLoaded) return
    if (one.unit !== this) this.#enlist(one, key)
    if (one.base === undefined) return
    const stored = this.stored(key)
    if (!stored) throw new Refusal('ERR_NOT_FOUND')
    if (stored === one.base) return
    if (!merges(one.cls)) throw new Refusal('ERR_CONFLICT')
    if (one.unit !== this) this.program.rebase(one, stored)
  }

  #enlist(one: Instance, key: number): void {
    this.#enlisted.add(one)
    if (!this.held.has(key)) this.held.set(key, one)
  }

  delete(one: Instance, deep: boolean): void {
    if (one.key === undefined || this.#removed.has(one.key)) return
    if (deep) throw new Refusal('ERR_UNSUPPORTED')
    for (const alias of this.aliases(one)) this.#rename(alias, undefined)
    if (this.#created.delete(one)) {
      this.held.delete(one.key)
      one.becomeVolatile()
    } else {
      const stored = this.stored(one.key)
      if (stored && !one.isLoaded) this.take(one, stored)
      if (!one.isLoaded) return // what was gone already
      if (stored) this.#dropped.add(one)
      this.#removed.set(one.key, one)
    }
    this.#loaded.delete(one)
    this.#enlisted.delete(one)
  }

  /** What was deleted inside keeps its key to the end, and is gone for whoever asks. */
  #requireStanding({ key }: Instance): number | undefined {
    if (key !== undefined && this.#removed.has(key)) throw new Refusal('ERR_NOT_FOUND')
    return key
  }

  override reload(one: Instance, discard: boolean): void {
    this.#requireStanding(one)
    super.reload(one, discard)
  }

  override aliases(one: Instance): string[] {
    this.#requireStanding(one)
    const names = new Set(super.aliases(one))
    for (const [alias, { to }] of this.#names) to === one.key ? names.add(alias) : names.delete(alias)
    return [...names].sort()
  }

  addAlias(one: Instance, alias: string): void {
    keyOf(one)
    this.persist(one, alias, 'error')
  }

  removeAlias(one: Instance, alias: string): void {
    this.#requireStanding(one)
    if (this.named(alias) !== keyOf(one)) throw new Refusal('ERR_NOT_FOUND')
    this.#rename(alias, undefined)
  }

  /** All of it at once; refused whole when anything that it builds on was changed by others. */
  commit(check: boolean): void {
    const roots = [...this.#created, ...this.#loaded, ...this.#enlisted]
    const changed = roots.filter((one) => one.base !== undefined && this.isDirty(one))
    this.#refuseTwins(changed)
    this.#create(roots)
    this.#requireCurrent(changed, check)
    for (const one of [...this.#created, ...changed]) {
      one.base = this.toStore(one)
      this.store.objects.set(one.key!, one.base)
    }
    for (const [key, one] of this.#removed) {
      this.store.remove(key)
      if (this.program.held.get(key) === one) this.program.held.delete(key)
      one.becomeVolatile()
    }
    for (const [alias, { expect, to }] of this.#names) {
      if (to !== undefined) this.store.names.set(alias, to)
      else if (expect !== undefined) this.store.names.delete(alias) // else nothing came of it
    }
    this.#handOver(changed)
  }

  #refuseTwins(changed: readonly Instance[]): void {
    const met = new Set(this.#removed.keys())
    for (const { key } of changed) {
      if (met.has(key!)) throw new Refusal('ERR_UNSAVED_CHANGES')
      met.add(key!)
    }
  }

  #requireCurrent(changed: readonly Instance[], check: boolean): void {
    const names = [...this.#names].filter(([, { expect, to }]) => expect !== undefined || to !== undefined)
    const isChange = changed.length + this.#created.size + this.#dropped.size + names.length > 0
    const read = check ? [...this.#loaded, ...(isChange ? this.#enlisted : [])] : []
    for (const one of [...changed, ...read, ...this.#dropped])
      if (one.base && one.base !== this.stored(one.key!)) throw new Refusal('ERR_CONFLICT')
    for (const [alias, { expect, to }] of names) {
      if (this.store.names.get(alias) !== expect) throw new Refusal('ERR_CONFLICT')
      const isNew = [...this.#created].some(({ key }) => key === to)
      if (to !== undefined && !isNew && !this.stored(to)) throw new Refusal('ERR_CONFLICT')
    }
  }

  /** The program goes on with what was met inside; its own clean instances are brought up to date. */
  #handOver(changed: readonly Instance[]): void {
    const { held } = this.program
    const met = [...this.held.values()].filter((one) => one.unit === this)
    this.release()
    for (const [key, one] of this.held) if (one.key === key && !held.has(key)) held.set(key, one)
    for (const { key, base } of changed) {
      const own = held.get(key!)
      if (own?.isLoaded && own.base !== base && !this.program.isDirty(own)) this.program.take(own, base!)
    }
    const isOwn = (one: Instance): boolean => held.get(one.key!) === one
    this.#join([...met.filter(isOwn), ...this.#enlisted], new Set(met.filter((one) => !isOwn(one))))
  }

  /** References lead to the instances that the program had, once these are as new as what was met. */
  #join(holders: readonly Instance[], twins: ReadonlySet<Instance>): void {
    const met = new Set(holders.flatMap(({ fields }) => textWithObjects(fields, isInstance)[1]).filter((one) => twins.has(one)))
    const ownOf = ({ key }: Instance): Instance => this.program.held.get(key!)!
    for (const one of met) if (one.isLoaded && !(ownOf(one).isLoaded && ownOf(one).base === one.base)) this.program.fetch([one.key!], 0)
    const isJoined = (one: Instance): boolean => met.has(one) && (ownOf(one).isLoaded || !one.isLoaded)
    for (const holder of holders) holder.fields = copyOf(holder.fields, (o) => (isInstance(o) ? (isJoined(o) ? ownOf(o) : o) : undefined))
  }

  /** Who still holds an instance of it can go on with that. */
  release(): void {
    for (const one of this.held.values()) if (one.unit === this) one.unit = this.program
  }

  rollback(): void {
    for (const one of this.#created) one.becomeVolatile()
    this.release()
  }
}
