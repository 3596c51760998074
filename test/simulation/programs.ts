import type { Backend, Key, Mark, Op, Receipt, Ref, Stored, StoredRow, Values } from '../../src/backend.js'
import type { Unit } from '../../src/commit/index.js'
import { AliasTakenError, ConflictError, UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { aliasKey, rowKey } from './model-store.js'
import type { State } from './truth.js'
import type { Client } from './world.js'

/** A unit being put together: what it saw, and what it will do. */
export class Draft {
  readonly seen = new Map<string, State>()
  readonly #ops = new Map<Backend, Op[]>()
  home?: NonNullable<Unit['home']>
  mark?: Mark

  constructor(
    readonly client: Client,
    readonly commit: CommitId,
    /** What it adds to the number of each object that it writes. */
    readonly delta = 1,
  ) {}

  op(at: Ref | string, op: Op): void {
    const backend = this.client.backendOf(at)
    const ops = this.#ops.get(backend) ?? []
    this.#ops.set(backend, ops)
    ops.push(op)
  }

  put(stored: Stored): void {
    const state = stateOf(stored)
    this.seen.set(stored.ref.id, state)
    this.op(stored.ref, { do: 'put', ref: stored.ref, set: this.cells(state.n + this.delta), expect: stored.stamp })
  }

  putNew(ref: Ref): void {
    this.op(ref, { do: 'put', ref, set: this.cells(this.delta), expect: 'absent' })
  }

  check(stored: Stored): void {
    this.seen.set(stored.ref.id, stateOf(stored))
    this.op(stored.ref, { do: 'check', ref: stored.ref, expect: stored.stamp })
  }

  name(alias: string, from: Ref | undefined, to: Ref | null): void {
    this.seen.set(aliasKey(alias), { by: from?.id ?? null, n: 0 })
    this.op(alias, { do: 'name', alias, expect: from ?? null, to })
  }

  /** Written, expected to be as it was found. */
  row(key: Key, found: StoredRow | undefined): void {
    const { table } = this.client.world
    const state = rowState(found?.values)
    this.seen.set(rowKey(table, key), state)
    const set = [this.commit, BigInt(state.n + this.delta)]
    this.op(table, { do: 'row', table, key, set, expect: found?.atMicros ?? null, isCas: true })
  }

  checkRow(key: Key, found: StoredRow | undefined): void {
    const { table } = this.client.world
    this.seen.set(rowKey(table, key), rowState(found?.values))
    this.op(table, { do: 'checkRow', table, key, expect: found?.atMicros ?? null })
  }

  cells(n: number): Map<string, string | number> {
    return new Map<string, string | number>([
      ['by', this.commit],
      ['n', n],
    ])
  }

  /** In any order: what comes first becomes the home, also what the unit removes. */
  get unit(): Unit {
    const { random, network } = this.client.world
    const atMicros = BigInt(network.nowMs) * 1000n
    const parts = [...this.#ops].map(([backend, ops]) => ({ backend, ops: random.chance(0.5) ? ops : ops.toReversed() }))
    if (random.chance(0.5)) parts.reverse()
    return { commit: this.commit, atMicros, parts, ...(this.home && { home: this.home }), ...(this.mark && { mark: this.mark }) }
  }
}

const stateOf = (stored: Stored | undefined): State =>
  stored ? { by: stored.cells.get('by') as string, n: stored.cells.get('n') as number } : { by: null, n: 0 }

// Reading, under the eyes of the truth -----------------------------------------------------------------------------------------

export async function readObjects(client: Client, refs: readonly Ref[]): Promise<(Stored | undefined)[]> {
  const { truth, network, protocol } = client.world
  const since = network.step
  const read = async (ref: Ref): Promise<Stored | undefined> =>
    (await protocol.readResolved(client.backendOf(ref), [ref], client.options))[0]
  const beside = refs.length > 1 && refs.every((ref) => client.backendOf(ref) === client.backendOf(refs[0]!))
  const found = beside ? await protocol.readResolved(client.backendOf(refs[0]!), refs, client.options) : await Promise.all(refs.map(read))
  for (const [i, stored] of found.entries()) {
    truth.onRead(refs[i]!.id, since, stateOf(stored))
    if (stored) truth.onStamp(stored, stateOf(stored).by!)
  }
  return [...found]
}

export async function findName(client: Client, alias: string): Promise<Ref | undefined> {
  const { truth, network, protocol } = client.world
  const since = network.step
  const [ref] = await protocol.findResolved(client.backendOf(alias), [{ alias }], client.options)
  truth.onRead(aliasKey(alias), since, { by: ref?.id ?? null, n: 0 })
  return ref
}

// Committing -------------------------------------------------------------------------------------------------------------------

type Outcome = 'applied' | 'refused' | 'failed' | 'unknown'

/** Sends a unit until its outcome is known, as a program would. */
async function commit(client: Client, draft: Draft): Promise<Outcome> {
  const { unit } = draft
  const { truth, protocol } = client.world
  truth.plan({ unit, seen: draft.seen, delta: draft.delta })
  for (let times = 0; times < 3; times++) {
    try {
      const receipt = await protocol.commitUnit(unit, client.options)
      onReceipt(client, unit, receipt)
      return receipt.applied ? 'applied' : 'refused'
    } catch (error) {
      if (error instanceof ConflictError || error instanceof AliasTakenError) {
        truth.onFailed(unit.commit)
        return 'failed'
      }
      if (error instanceof UnavailableError) {
        if (times === 0) truth.onFailed(unit.commit)
        return times === 0 ? 'failed' : 'unknown'
      }
      if (!(error instanceof UnknownOutcomeError)) throw error
    }
  }
  return 'unknown'
}

/** What a receipt promises: the truth, and rows that can be read. */
function onReceipt({ world }: Client, unit: Unit, receipt: Receipt): void {
  world.truth.onReceipt(unit, receipt)
  if (!receipt.applied) return
  const rows = world.storeOf(world.table)
  for (const { ops } of unit.parts)
    for (const op of ops) {
      if (op.do !== 'row') continue
      const found = rows.rows.get(world.rowKey(op.key[0] as string, op.key[1] as string))
      if (!found || found.atMicros < unit.atMicros) world.truth.fault(`receipt of ${unit.commit} before its row ${op.key} could be read`)
    }
}

const TRIES = 3

/** Drafts and commits until it works: each try reads afresh and is a unit of its own. */
async function attempt(client: Client, draft: (fresh: Draft) => Promise<boolean>, delta = 1): Promise<Outcome> {
  let outcome: Outcome = 'failed'
  for (let tries = 0; tries < TRIES && outcome === 'failed'; tries++) {
    const fresh = new Draft(client, client.world.newCommitId(), delta)
    try {
      if (!(await draft(fresh))) return 'failed'
    } catch (error) {
      if (error instanceof UnavailableError || error instanceof UnknownOutcomeError) continue
      throw error
    }
    outcome = await commit(client, fresh)
  }
  return outcome
}

// What programs do -------------------------------------------------------------------------------------------------------------

/** Adds 1 to several objects, and checks others. */
export const increment = (client: Client, refs: readonly Ref[], checks: readonly Ref[] = []): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const found = await readObjects(client, [...refs, ...checks])
    if (found.includes(undefined)) return false
    for (const [i, stored] of found.entries()) i < refs.length ? draft.put(stored!) : draft.check(stored!)
    return true
  })

/** A new object takes a free alias, or the alias is taken from the old one; an account counts it. */
const rename = (client: Client, alias: string, account: Ref): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const [old, [stored]] = await Promise.all([findName(client, alias), readObjects(client, [account])])
    if (!stored) return false
    draft.put(stored)
    if (old && client.world.random.chance(0.6)) return await unname(client, draft, alias, old)
    const fresh = client.world.newRef()
    draft.putNew(fresh)
    draft.name(alias, old, fresh)
    return true
  })

/** Deletes what an alias names, with the alias. */
async function unname(client: Client, draft: Draft, alias: string, old: Ref): Promise<boolean> {
  const [stored] = await readObjects(client, [old])
  if (!stored) return false
  draft.name(alias, old, null)
  draft.seen.set(old.id, stateOf(stored))
  draft.op(old, { do: 'remove', ref: old, expect: stored.stamp })
  return true
}

/** A new object and its alias, nothing else: what `makePersistent` does. */
const claim = (client: Client, alias: string): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const fresh = client.world.newRef()
    draft.putNew(fresh)
    draft.name(alias, undefined, fresh)
    return true
  })

/** Rows and counters in several partitions, in one unit with an object. */
const fill = (client: Client, account: Ref): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const { world } = client
    const [stored] = await readObjects(client, [account])
    if (!stored) return false
    if (world.random.chance(0.5)) draft.put(stored)
    for (const ref of [world.owner, ...world.random.some(world.mortals, world.random.below(2))])
      draft.op(ref, { do: 'check', ref, expect: 'present' })
    for (const partition of world.random.some(['p', 'q', 'r'], 1 + world.random.below(3))) fillPartition(client, draft, partition)
    return true
  })

/** Removes an object on which others rely, by itself or with a change of another one. */
const dismiss = (client: Client, mortal: Ref, account: Ref): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const [stored, beside] = await readObjects(client, [mortal, account])
    if (!stored || !beside) return false
    if (client.world.random.chance(0.5)) draft.put(beside)
    draft.seen.set(mortal.id, stateOf(stored))
    draft.op(mortal, { do: 'remove', ref: mortal, expect: client.world.random.chance(0.5) ? stored.stamp : 'present' })
    return true
  })

function fillPartition({ world }: Client, draft: Draft, partition: string): void {
  const { table } = world
  draft.op(table, { do: 'row', table, key: [partition, draft.commit], set: [draft.commit] })
  draft.op(table, { do: 'add', table, key: [partition, 'sum'], column: 0, by: BigInt(1 + world.random.below(5)) })
}

/** Rows that exclude other writers. */
export const TALLIES: readonly Key[] = [
  ['t', 'tally'],
  ['u', 'tally'],
]

/**
 * Reads one row and writes it, expecting it unchanged. Alone, where rows take intents; else a check of the owner keeps other writers of the
 * table away, which a unit over several domains has in any case.
 */
export const tally = (client: Client, key: Key): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const { table, owner, reservesRows, random, accounts } = client.world
    const isAlone = reservesRows && random.chance(0.5)
    const beside = reservesRows ? [random.pick(accounts)] : []
    const [stored, account] = isAlone ? [] : await readObjects(client, [owner, ...beside])
    if (!isAlone && !stored) return false
    const [row] = await client.backendOf(table).rows(table, [key])
    if (!isAlone) draft.op(owner, { do: 'check', ref: owner, expect: 'present' })
    if (account) draft.put(account)
    draft.row(key, row)
    return true
  })

/** Reads two rows, and writes one of them, an object, or both, since the other is as it is. */
export const guard = (client: Client): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const { table, owner, reservesRows, random, accounts } = client.world
    const [own, other] = random.some(TALLIES, 2) as [Key, Key]
    const [stored, account] = await readObjects(client, [owner, random.pick(accounts)])
    if (!stored || !account) return false
    const [row, seen] = await client.backendOf(table).rows(table, [own, other])
    const what = random.below(3)
    if (what > 0) draft.put(account)
    if (what < 2) draft.row(own, row)
    if (what < 2 || !reservesRows) draft.op(owner, { do: 'check', ref: owner, expect: 'present' })
    draft.checkRow(other, seen)
    return true
  })

export const rowState = (values: Values | undefined | null): State =>
  values ? { by: values[0] as string, n: Number(values[1]) } : { by: null, n: 0 }

/** One attempt of a task: the mark says whether another attempt was first. */
const task = (client: Client, key: string, home: Ref, refs: readonly Ref[]): Promise<Outcome> =>
  attempt(client, async (draft) => {
    const found = await readObjects(client, refs)
    if (found.includes(undefined)) return false
    for (const stored of found) draft.put(stored!)
    draft.home = { backend: client.backendOf(home), ref: home }
    draft.mark = { key, attempt: draft.commit, state: 'committed', outcome: null }
    return true
  })

/** A program that knows nothing of intents: one object, as it stands, straight to the store. */
async function stranger(client: Client, ref: Ref): Promise<void> {
  const backend = client.backendOf(ref)
  const draft = new Draft(client, client.world.newCommitId())
  try {
    const [stored] = await backend.read([ref])
    if (!stored) return
    draft.put(stored)
    const { unit } = draft
    client.world.truth.plan({ unit, seen: draft.seen, delta: draft.delta })
    await backend.commit({ commit: unit.commit, atMicros: unit.atMicros, ops: unit.parts[0]!.ops })
  } catch (error) {
    if (!(error instanceof ConflictError || error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
  }
}

/** One action, picked at random. */
export async function act(client: Client): Promise<void> {
  const { random, accounts, names, mortals } = client.world
  const some = (most: number): Ref[] => random.some(accounts, 1 + random.below(most))
  const kind = random.below(15)
  try {
    if (kind < 3) await increment(client, some(3))
    else if (kind < 4) await increment(client, [accounts[0]!], [accounts[1]!])
    else if (kind < 5) await rename(client, random.pick(names), random.pick(accounts))
    else if (kind < 6) await claim(client, random.pick(names))
    else if (kind < 7) await fill(client, random.pick(accounts))
    else if (kind < 8) await tally(client, random.pick(TALLIES))
    else if (kind < 9) await guard(client)
    else if (kind < 10) await task(client, `task${random.below(2)}`, accounts[0]!, some(3))
    else if (kind < 11) await stranger(client, random.pick(accounts))
    else if (kind < 12) await fill(client, random.pick(accounts))
    else if (kind < 13) await dismiss(client, random.pick(mortals), random.pick(accounts))
    else await look(client)
  } catch (error) {
    if (!(error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
  }
}

/** Reads all there is, twice: a group seen in one object must not be missing in another later. */
async function look(client: Client): Promise<void> {
  const { random, accounts, names } = client.world
  for (let times = 0; times < 2; times++) {
    await readObjects(client, random.some(accounts, accounts.length))
    if (random.chance(0.5)) await findName(client, random.pick(names))
  }
}
