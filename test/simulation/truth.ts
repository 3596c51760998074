import type { Group, Op, Receipt, Stamp, Stored } from '../../src/backend.js'
import type { Unit } from '../../src/commit/index.js'
import type { CommitId, Id } from '../../src/ids.js'
import { aliasKey, rowKey, targetKey } from './model-store.js'

/** The state of an object, alias or row as it ought to be: who wrote it last, and its number. */
export interface State {
  readonly by: string | null
  readonly n: number
}

interface Moment extends State {
  readonly step: number
}

export interface Planned {
  readonly unit: Unit
  /** What the writer saw of each place, by key: the decision must find the same. */
  readonly seen: ReadonlyMap<string, State>
  /** How much it adds to the number of each object. */
  readonly delta: number
}

const ABSENT: State = { by: null, n: 0 }

/**
 * What a perfect store would say: units of work take effect whole, at the moment of their decision. It knows nothing of intents;
 * it hears of decisions and judges what callers saw.
 */
export class Truth {
  readonly violations: string[] = []
  readonly #history = new Map<string, Moment[]>()
  readonly #planned = new Map<CommitId, Planned>()
  readonly #decided = new Set<CommitId>()
  readonly #failed = new Set<CommitId>()
  readonly #tasks = new Map<string, CommitId>()
  readonly #givenUp = new Set<string>()
  readonly #stamps = new Map<string, Stamp>()
  readonly counters = new Map<string, bigint>()
  readonly rows = new Set<string>()
  readonly #relying = new Map<string, string[]>()

  constructor(readonly step: () => number) {}

  start(key: string, state: State): void {
    this.#history.set(key, [{ ...state, step: 0 }])
  }

  plan(planned: Planned): void {
    this.#planned.set(planned.unit.commit, planned)
  }

  now(key: string): State {
    return this.#history.get(key)?.at(-1) ?? ABSENT
  }

  knows(key: string): boolean {
    return this.#history.has(key)
  }

  keys(): IterableIterator<string> {
    return this.#history.keys()
  }

  get decisions(): number {
    return this.#decided.size
  }

  isDecided(commit: CommitId): boolean {
    return this.#decided.has(commit)
  }

  taskOf(key: string): CommitId | undefined {
    return this.#tasks.get(key)
  }

  // What stores do ------------------------------------------------------------------------------------------------------------

  /** A group took effect: does it decide a unit? */
  onApplied(group: Group): void {
    const marked = group.ops.find((op) => op.do === 'mark' && op.mark.state === 'committed' && this.#planned.has(op.mark.key as CommitId))
    if (marked?.do === 'mark') this.#decide(marked.mark.key as CommitId)
    else if (this.#planned.has(group.commit) && group.ops.some((op) => !isNew(op))) this.#decide(group.commit)
  }

  #decide(commit: CommitId): void {
    const planned = this.#planned.get(commit)!
    if (this.#decided.has(commit)) this.fault(`unit ${short(commit)} committed twice`)
    if (this.#failed.has(commit)) this.fault(`unit ${short(commit)} committed after it was reported as failed`)
    this.#decided.add(commit)
    this.#decideTask(planned.unit)
    for (const { ops } of planned.unit.parts) for (const op of ops) this.#take(op, planned)
    this.#rely(planned.unit)
  }

  #rely({ parts }: Unit): void {
    const ops = parts.flatMap((part) => part.ops)
    const rows = ops.flatMap((op) => (op.do === 'row' && op.expect === undefined ? [keyOf(op)] : []))
    for (const op of ops)
      if (op.do === 'check' && op.expect === 'present') this.#relying.set(op.ref.id, [...this.rowsRelyingOn(op.ref.id), ...rows])
  }

  /** Of decided units that asked for an object to stay. */
  rowsRelyingOn(id: string): readonly string[] {
    return this.#relying.get(id) ?? []
  }

  #decideTask({ mark, commit }: Unit): void {
    if (!mark) return
    const other = this.#tasks.get(mark.key)
    if (other && other !== commit) this.fault(`task ${mark.key} ran twice: ${short(other)} and ${short(commit)}`)
    if (this.#givenUp.has(mark.key)) this.fault(`task ${mark.key} committed after it was given up: ${short(commit)}`)
    this.#tasks.set(mark.key, commit)
  }

  /** Somebody was told that the task will not happen any more. */
  onGivenUp(key: string): void {
    if (this.#tasks.has(key)) this.fault(`task ${key} was given up, and had committed`)
    this.#givenUp.add(key)
  }

  #take(op: Op, { unit, seen, delta }: Planned): void {
    if (op.do === 'add') {
      const key = rowKey(op.table, op.key)
      this.counters.set(key, (this.counters.get(key) ?? 0n) + op.by)
      return
    }
    const key = keyOf(op)
    if (op.do === 'row' && op.expect === undefined) {
      this.rows.add(key)
      return
    }
    const before = this.now(key)
    this.#expect(op, key, before, seen.get(key))
    if (op.do === 'check' || op.do === 'checkRow') return
    const next = op.do === 'remove' ? ABSENT : op.do === 'name' ? { by: op.to?.id ?? null, n: 0 } : { by: unit.commit, n: before.n + delta }
    this.#change(key, next)
  }

  #expect(op: Op, key: string, before: State, seen: State | undefined): void {
    const who = () => `${op.do} of ${short(key)}`
    if (isNew(op)) {
      if (before.by !== null) this.fault(`${who()}: it stood already`)
    } else if (op.do === 'check' && op.expect === 'present') {
      if (before.by === null) this.fault(`${who()}: it was gone`)
    } else if (before.by !== (seen?.by ?? null))
      this.fault(`${who()}: decided over ${short(before.by)}, having seen ${short(seen?.by ?? null)}`)
  }

  #change(key: string, state: State): void {
    const history = this.#history.get(key) ?? []
    history.push({ ...state, step: this.step() })
    this.#history.set(key, history)
  }

  // What callers see ----------------------------------------------------------------------------------------------------------

  /** A state that was read must have been the true one at some moment of the call. */
  onRead(key: string, since: number, state: State): void {
    const history = this.#history.get(key) ?? []
    const first = history.findLastIndex((moment) => moment.step <= since)
    const possible: readonly State[] = first < 0 ? [ABSENT, ...history] : history.slice(first)
    if (!possible.some((moment) => moment.by === state.by && (moment.by === null || moment.n === state.n)))
      this.fault(`read of ${short(key)} saw ${show(state)}; true since step ${since}: ${possible.map(show).join(', ')}`)
  }

  /** An object's stamp is the one that its writer's receipt said. */
  onStamp(stored: Stored, by: string): void {
    const said = this.#stamps.get(`${by} ${stored.ref.id}`)
    if (said && (said.revision !== stored.stamp.revision || said.commit !== stored.stamp.commit))
      this.fault(`receipt of ${short(by)} said another stamp of ${short(stored.ref.id)} than is stored`)
  }

  onReceipt({ commit, mark }: Unit, receipt: Receipt): void {
    if (receipt.applied !== this.#decided.has(commit)) this.fault(`receipt of ${short(commit)} says applied=${receipt.applied}`)
    if (!receipt.applied && (!mark || !(this.#tasks.has(mark.key) || this.#givenUp.has(mark.key) || receipt.mark?.state === 'aborted')))
      this.fault(`${short(commit)} was refused without another attempt`)
    for (const [id, stamp] of receipt.stamps as ReadonlyMap<Id, Stamp>) this.#stamps.set(`${commit} ${id}`, stamp)
  }

  onFailed(commit: CommitId): void {
    if (this.#decided.has(commit)) this.fault(`${short(commit)} was reported as failed, but committed`)
    this.#failed.add(commit)
  }

  fault(what: string): void {
    this.violations.push(`step ${this.step()}: ${what}`)
  }
}

export const isNew = (op: Op): boolean => op.do === 'put' && op.expect === 'absent'

export function keyOf(op: Op): string {
  if (op.do === 'name') return aliasKey(op.alias)
  if (op.do === 'row' || op.do === 'checkRow') return rowKey(op.table, op.key)
  if (op.do === 'put' || op.do === 'remove' || op.do === 'check') return targetKey({ ref: op.ref })
  throw new Error(`no place of its own: ${op.do}`)
}

const short = (text: string | null): string => (text === null ? 'nothing' : text.replace(/0{4,}/g, '…'))
const show = ({ by, n }: State): string => `${short(by)}:${n}`
