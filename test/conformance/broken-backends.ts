/** Backends that break one law each. The suite must catch every one of them; conformance.test.ts says by which case. */
import type { Backend, Found, Group, Key, Op, Piece, Range, Receipt, Ref, Stored, StoredRow, Streams, Table } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { type CommitId, type Id, newCommitId, type TableId } from '../../src/ids.js'
import { BarringBackend } from './barring-backend.js'
import { ForwardingBackend } from './forwarding-backend.js'

const without = (group: Group, ops: readonly Op[]): Group => ({ ...group, ops })

class LosesLastPut extends ForwardingBackend {
  override commit(group: Group): Promise<Receipt> {
    const puts = group.ops.filter((op) => op.do === 'put')
    const last = puts.length > 1 ? puts.at(-1) : undefined
    return this.inner.commit(
      without(
        group,
        group.ops.filter((op) => op !== last),
      ),
    )
  }
}

class LosesEveryTenthCommit extends ForwardingBackend {
  #commits = 0
  override commit(group: Group): Promise<Receipt> {
    if (++this.#commits % 10) return this.inner.commit(group)
    return Promise.resolve({ applied: true, stamps: new Map() })
  }
}

/** Takes every stamp that it is given for the current one. */
class IgnoresExpect extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const refs = group.ops.flatMap((op) => (op.do === 'put' ? [op.ref] : []))
    const stored = await this.inner.read(refs)
    const current = new Map(stored.flatMap((s) => (s ? [[s.ref.id, s.stamp] as const] : [])))
    const ops = group.ops.map((op) =>
      op.do === 'put' && op.expect !== 'absent' ? { ...op, expect: current.get(op.ref.id) ?? op.expect } : op,
    )
    return this.inner.commit(without(group, ops))
  }
}

/** Compares numbers only: a stamp of another commit passes. */
class ComparesRevisionsOnly extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const refs = group.ops.flatMap((op) => (op.do === 'put' ? [op.ref] : []))
    const current = new Map((await this.inner.read(refs)).flatMap((s) => (s ? [[s.ref.id, s.stamp] as const] : [])))
    const ops = group.ops.map((op) => {
      if (op.do !== 'put' || op.expect === 'absent') return op
      const stamp = current.get(op.ref.id)
      return stamp?.revision === op.expect.revision ? { ...op, expect: stamp } : op
    })
    return this.inner.commit(without(group, ops))
  }
}

/** Applies op by op; what stands before a conflict stays. */
class AppliesHalf extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    try {
      return await this.inner.commit(group)
    } catch (error) {
      if (error instanceof ConflictError)
        for (const op of group.ops) await this.inner.commit({ ...group, commit: newCommitId(), ops: [op] }).catch(() => {})
      throw error
    }
  }
}

class ForgetsAliases extends ForwardingBackend {
  override commit(group: Group): Promise<Receipt> {
    return this.inner.commit(
      without(
        group,
        group.ops.filter((op) => op.do !== 'name'),
      ),
    )
  }
}

class OverwritesAliases extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const names = group.ops.flatMap((op) => (op.do === 'name' ? [op] : []))
    const found = await this.inner.find(names.map(({ alias }) => ({ alias })))
    const current = new Map(names.map(({ alias }, i) => [alias, found[i]?.ref ?? null]))
    const ops = group.ops.map((op) => (op.do === 'name' ? { ...op, expect: current.get(op.alias)! } : op))
    return this.inner.commit(without(group, ops))
  }
}

/** A read cache that nobody invalidates. */
class ReadsStale extends ForwardingBackend {
  readonly #seen = new Map<Id, Stored>()
  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const fresh = await this.inner.read(refs)
    return fresh.map((stored) => {
      if (stored && !this.#seen.has(stored.ref.id)) this.#seen.set(stored.ref.id, stored)
      return stored && this.#seen.get(stored.ref.id)
    })
  }
}

/** Every group is a new one: what is sent again is done again. */
class ForgetsReceipts extends ForwardingBackend {
  override commit(group: Group): Promise<Receipt> {
    return this.inner.commit({ ...group, commit: newCommitId() })
  }
}

class EndsScansEarly extends ForwardingBackend {
  override async *scan(range: Range): AsyncGenerator<readonly StoredRow[]> {
    let left = 100
    for await (const page of this.inner.scan(range)) {
      yield page.slice(0, left)
      left -= page.length
      if (left <= 0) return
    }
  }
}

class ScansUnordered extends ForwardingBackend {
  override async *scan(range: Range): AsyncGenerator<readonly StoredRow[]> {
    for await (const page of this.inner.scan(range)) yield [...page].sort((a, b) => Number(a.atMicros % 7n) - Number(b.atMicros % 7n) || -1)
  }
}

class IgnoresReverse extends ForwardingBackend {
  override scan({ reverse: _, ...range }: Range): AsyncIterable<readonly StoredRow[]> {
    return this.inner.scan(range)
  }
}

class IncludesTheEnd extends ForwardingBackend {
  override async *scan(range: Range): AsyncGenerator<readonly StoredRow[]> {
    yield* this.inner.scan(range)
    if (!range.to || !range.prefix) return
    const [row] = await this.inner.rows(range.in as TableId, [[...range.prefix, ...range.to]])
    if (row) yield [row]
  }
}

class PiecesOverlap extends ForwardingBackend {
  override async pieces(...args: Parameters<Backend['pieces']>): Promise<readonly Piece[]> {
    const pieces = await this.inner.pieces(...args)
    return [...pieces, pieces[0]!]
  }
}

/** The first row wins. */
class KeepsFirstRow extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const kept: Op[] = []
    for (const op of group.ops) {
      const stands = op.do === 'row' && op.set && (await this.inner.rows(op.table, [op.key]))[0]
      if (!stands) kept.push(op)
    }
    return this.inner.commit(without(group, kept))
  }
}

/** The last row to arrive wins, whatever its clock says. */
class IgnoresClocks extends ForwardingBackend {
  #last = 0n
  override commit(group: Group): Promise<Receipt> {
    const now = BigInt(Date.now()) * 1000n + 10_000_000n
    this.#last = now > this.#last ? now : this.#last + 1n
    return this.inner.commit({ ...group, atMicros: this.#last })
  }
}

class LosesAdds extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const ops: Op[] = []
    for (const op of group.ops) {
      // A counter that is read, added to and set: two at once lose one.
      if (op.do !== 'add') ops.push(op)
      else if (!(await this.#busy(op.table, op.key))) ops.push(op)
    }
    return this.inner.commit(without(group, ops))
  }
  readonly #adding = new Set<string>()
  async #busy(table: TableId, key: Key): Promise<boolean> {
    const name = `${table}/${key.join('/')}`
    if (this.#adding.has(name)) return true
    this.#adding.add(name)
    await new Promise((resolve) => setImmediate(resolve))
    this.#adding.delete(name)
    return false
  }
}

class KeepsRemoved extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    return this.inner.commit(
      without(
        group,
        group.ops.filter((op) => op.do !== 'remove'),
      ),
    )
  }
}

class OverwritesMarks extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    for (const op of group.ops) {
      if (op.do === 'mark') {
        await this.inner.commit({
          ...group,
          commit: newCommitId(),
          ops: [{ do: 'forget', home: op.home, keys: [op.mark.key], what: 'mark' }],
        })
      }
    }
    return this.inner.commit(group)
  }
}

class DropsIntents extends ForwardingBackend {
  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return (await this.inner.read(refs)).map((stored) => {
      if (!stored) return undefined
      const { intent: _, ...rest } = stored
      return rest
    })
  }
}

/** Takes a row that is to be as it was read for one that is. */
class IgnoresCheckedRows extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const ops = group.ops.filter((op) => op.do !== 'checkRow')
    return ops.length > 0 ? this.inner.commit(without(group, ops)) : { applied: true, stamps: new Map() }
  }
}

/** Compares the row, and does not look whether somebody holds it. */
class ChecksHeldRows extends ForwardingBackend {
  readonly #held = new Set<string>()
  override async commit(group: Group): Promise<Receipt> {
    for (const op of group.ops) if (op.do === 'reserveRow') this.#held.add(op.table)
    const ops = group.ops.filter((op) => op.do !== 'checkRow' || !this.#held.has(op.table))
    return ops.length > 0 ? this.inner.commit(without(group, ops)) : { applied: true, stamps: new Map() }
  }
}

/** Ends an intent on a row, whoever left it. */
class EndsRowIntents extends ForwardingBackend {
  readonly #held = new Map<string, CommitId>()
  override commit(group: Group): Promise<Receipt> {
    for (const op of group.ops) if (op.do === 'reserveRow') this.#held.set(op.table, op.intent.commit)
    const ops = group.ops.map((op) => (op.do === 'settleRow' ? { ...op, commit: this.#held.get(op.table) ?? op.commit } : op))
    return this.inner.commit(without(group, ops))
  }
}

class AnswersInStoreOrder extends ForwardingBackend {
  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return this.inner.read([...refs].sort((a, b) => (a.id < b.id ? -1 : 1)))
  }
  override async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    return (await this.inner.find(what)).filter((f) => f !== undefined)
  }
}

/** Goes through JSON on the way. */
class FlattensNumbers extends ForwardingBackend {
  override commit(group: Group): Promise<Receipt> {
    const flat = (cell: unknown): unknown => (typeof cell === 'number' ? (JSON.parse(JSON.stringify(cell)) as unknown) : cell)
    const ops = group.ops.map((op) => (op.do === 'put' ? ({ ...op, set: new Map([...op.set].map(([k, c]) => [k, flat(c)])) } as Op) : op))
    return this.inner.commit(without(group, ops))
  }
}

class SharesBuffers extends ForwardingBackend {
  readonly #last = new Map<Id, Stored>()
  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return (await this.inner.read(refs)).map((stored) => {
      if (!stored) return undefined
      const cached = this.#last.get(stored.ref.id)
      if (cached?.stamp.commit === stored.stamp.commit && cached.intent === stored.intent) return cached
      this.#last.set(stored.ref.id, stored)
      return stored
    })
  }
}

class TakesAnySchema extends ForwardingBackend {
  override async define(table: Table): Promise<void> {
    if (!(await this.inner.table(table.id))) await this.inner.define(table)
  }
}

/** Writes every column of a row, those too that the writer does not know. */
class EmptiesFurtherColumns extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    const ops = group.ops.map(async (op): Promise<Op> => {
      const table = op.do === 'row' && op.set ? await this.inner.table(op.table) : undefined
      return table && op.do === 'row' && op.set ? { ...op, set: table.values.map((_, i) => op.set![i]) } : op
    })
    return this.inner.commit(without(group, await Promise.all(ops)))
  }
}

class KnowsEveryPlace extends ForwardingBackend {
  override async locate(...args: Parameters<Backend['locate']>): ReturnType<Backend['locate']> {
    const [somewhere] = (await this.inner.locate(args[0])).filter((l) => l.length > 0)
    return args[0].map(() => somewhere ?? [{ host: 'here' as never, bytes: 1, role: 'primary' }])
  }
}

class PromisesEverything extends ForwardingBackend {
  override flush(): Promise<void> {
    return Promise.resolve()
  }
}

/** Streams of an inner backend, some of whose members a subclass replaces. */
abstract class WithStreams extends ForwardingBackend {
  constructor(inner: Backend) {
    super(inner)
    Object.assign(this, { streams: { ...inner.streams!, ...this.broken(inner.streams!) } })
  }
  protected abstract broken(inner: Streams): Partial<Streams>
}

let appends = 0
class AppendsAgain extends WithStreams {
  protected override broken(inner: Streams): Partial<Streams> {
    return { append: (stream, producer, _from, items) => inner.append(stream, `${producer} ${appends++}`, 0, items) }
  }
}

class SharesNoItems extends WithStreams {
  protected override broken(inner: Streams): Partial<Streams> {
    return { read: (stream, read, signal) => inner.read(stream, { ...read, group: `${read.group} ${read.consumer}` }, signal) }
  }
}

class NeverDeliversAgain extends WithStreams {
  protected override broken(inner: Streams): Partial<Streams> {
    return { read: (stream, read, signal) => inner.read(stream, { ...read, leaseMs: 1e9 }, signal) }
  }
}

/** Says that a group is barred, and lets its copies through. */
class BarsNothing extends BarringBackend {
  protected override end({ commit }: Group): Receipt | undefined {
    return this.done.get(commit)
  }
}

/** Bars without a look at what has happened. */
class BarsWhatIsDone extends BarringBackend {
  protected override end({ commit }: Group): undefined {
    this.barred.add(commit)
  }
}

export const brokenBackends = {
  AnswersInStoreOrder,
  AppendsAgain,
  AppliesHalf,
  BarsNothing,
  BarsWhatIsDone,
  ChecksHeldRows,
  ComparesRevisionsOnly,
  DropsIntents,
  EmptiesFurtherColumns,
  EndsRowIntents,
  EndsScansEarly,
  FlattensNumbers,
  ForgetsAliases,
  ForgetsReceipts,
  IgnoresCheckedRows,
  IgnoresClocks,
  IgnoresExpect,
  IgnoresReverse,
  IncludesTheEnd,
  KeepsFirstRow,
  KeepsRemoved,
  KnowsEveryPlace,
  LosesAdds,
  LosesEveryTenthCommit,
  LosesLastPut,
  NeverDeliversAgain,
  OverwritesAliases,
  OverwritesMarks,
  PiecesOverlap,
  PromisesEverything,
  ReadsStale,
  ScansUnordered,
  SharesBuffers,
  SharesNoItems,
  TakesAnySchema,
} as const
