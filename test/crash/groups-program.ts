/**
 * Sends groups to the backend itself: two objects, a row, a counter and a mark that belong together. What was sent before the kill
 * and not acknowledged is sent again, byte for byte, by the next life: it must count once.
 */
import { createHash } from 'node:crypto'
import { connect, type Store } from '../../runtime/index.js'
import { type Backend, type Cell, type Group, Ref, type Stamp, type Table } from '../../src/backend.js'
import { type ClassId, type CommitId, type Id, newCommitId, type TableId } from '../../src/ids.js'
import { type Program, report } from './child.js'
import { Findings } from './findings.js'
import type { Flaw, Order, Report, Step } from './protocol.js'

const CLASS = 'insitu/crash#Pair' as ClassId

/** An id that every life of a lane computes anew. */
function idOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** What a group depends on beside its number. */
interface Sent {
  readonly commit: CommitId
  readonly atMicros: string
  readonly expect: readonly (Stamp | 'absent')[]
}

export async function groupsProgram({ url, lane, flaw }: Order): Promise<Program> {
  const store: Store = await connect(url, { ack: 'committed' })
  const { backend } = store
  const pair = ['a', 'b'].map((name) => new Ref(idOf(`${lane.name}/${name}`) as Id, CLASS))
  const table = tableOf(lane.name, pair[0]!)
  await backend.define(table)
  const groupOf = (step: Step): Group => group(table, pair, step.n, step.with as Sent)
  const send = async (step: Step): Promise<void> => {
    if (flaw === 'acknowledgesEarly') report({ say: 'done', n: step.n })
    for (const part of flawed(groupOf(step), flaw)) {
      const receipt = await backend.commit(part)
      if (!receipt.applied) throw new Error(`step ${step.n} met the mark of another attempt`)
    }
    report({ say: 'done', n: step.n })
  }
  return {
    check: () => check(backend, table, pair, lane.acknowledged, lane.begun),
    close: () => store.close(),
    async work(): Promise<never> {
      for (const step of flaw === 'splitsGroups' ? [] : lane.begun) {
        // Twice, since the second one meets the receipt of the first for sure.
        for (let i = 0; i < 2; i++) await send(flaw === 'forgetsCommitIds' ? { n: step.n, with: await fresh(backend, pair) } : step)
      }
      let n = Math.max(0, ...lane.acknowledged, ...lane.begun.map((s) => s.n))
      for (;;) {
        n++
        const step: Step = { n, with: await fresh(backend, pair) }
        report({ say: 'begun', step })
        await send(step)
        if (n % 50 === 0) await backend.flush(backend.capabilities.acks.includes('durable') ? 'durable' : 'committed')
      }
    },
  }
}

function tableOf(name: string, owner: Ref): Table {
  return {
    id: idOf(`${name}/table`) as TableId,
    owner,
    keys: [
      { name: 'kind', type: 'text' },
      { name: 'n', type: 'i64' },
    ],
    partition: 1,
    values: [
      { name: 'n', type: 'i64', optional: true },
      { name: 'count', type: 'counter' },
    ],
    writes: 'lww',
  }
}

async function fresh(backend: Backend, pair: readonly Ref[]): Promise<Sent> {
  const stored = await backend.read(pair)
  return { commit: newCommitId(), atMicros: String(BigInt(Date.now()) * 1000n), expect: stored.map((s) => s?.stamp ?? 'absent') }
}

function group(table: Table, pair: readonly Ref[], n: number, { commit, atMicros, expect }: Sent): Group {
  const set = new Map<string, Cell>([
    ['n', n],
    ['text', `${n} `.repeat(50)],
  ])
  return {
    commit,
    atMicros: BigInt(atMicros),
    ops: [
      { do: 'put', ref: pair[0]!, set, expect: expect[0]! },
      { do: 'row', table: table.id, key: ['step', BigInt(n)], set: [BigInt(n), undefined] },
      { do: 'add', table: table.id, key: ['sum', 0n], column: 1, by: 1n },
      { do: 'mark', home: pair[0]!, mark: { key: `step ${n}`, attempt: commit, state: 'committed', outcome: Uint8Array.of(n & 255) } },
      { do: 'put', ref: pair[1]!, set, expect: expect[1]! },
    ],
  }
}

/** What is sent for a group. A flawed program sends it as two, or without the mark that would stop a second one. */
function flawed({ ops, ...rest }: Group, flaw: Flaw | undefined): Group[] {
  if (flaw === 'splitsGroups') {
    return [
      { ...rest, ops: ops.slice(0, 2) },
      { ...rest, commit: newCommitId(), ops: ops.slice(2) },
    ]
  }
  return [{ ...rest, ops: flaw === 'forgetsCommitIds' ? ops.filter((op) => op.do !== 'mark') : ops }]
}

async function check(
  backend: Backend,
  table: Table,
  pair: readonly Ref[],
  acknowledged: readonly number[],
  begun: readonly Step[],
): Promise<Extract<Report, { say: 'found' }>> {
  const findings = new Findings()
  const [a, b] = (await backend.read(pair)).map((stored) => Number(stored?.cells.get('n') ?? 0))
  if (a !== b) findings.add('torn', `one object is at ${a}, the other at ${b}`)
  const rows: number[] = []
  for await (const page of backend.scan({ in: table.id, prefix: ['step'] })) for (const row of page) rows.push(Number(row.values[0]))
  findings.steps(
    rows,
    acknowledged,
    begun.map((s) => s.n),
  )
  if (rows.length !== a) findings.add('torn', `the objects are at ${a}, there are ${rows.length} rows`)
  const [sum] = await backend.rows(table.id, [['sum', 0n]])
  const count = Number(sum?.values[1] ?? 0)
  if (count > rows.length) findings.add('doubled', `the counter is at ${count} after ${rows.length} steps`)
  if (count < rows.length) findings.add('lost', `the counter is at ${count} after ${rows.length} steps`)
  const marks = await backend.marks(
    pair[0]!,
    rows.map((n) => `step ${n}`),
  )
  marks.forEach((mark, i) => {
    if (mark?.outcome?.[0] !== (rows[i]! & 255)) findings.add('torn', `step ${rows[i]} stands without its mark`)
  })
  return findings.found(rows)
}
