/** Saves pairs of objects, rows, counters, and objects under aliases, in transactions. */
import { connect, NotFoundError, type Store, transact } from '../../runtime/index.js'
import { type Program, report } from './child.js'
import { Ledger, Note } from './crash-model.js'
import { Findings } from './findings.js'
import type { Lane, Order, Report } from './protocol.js'

/** So many notes stand at a time; older ones are deleted by the step that adds one. */
const NOTES = 5

export async function objectsProgram({ url, lane }: Order): Promise<Program> {
  const store: Store = await connect(url, { ack: 'committed' })
  return {
    check: () => store.run(() => check(lane)),
    close: () => store.close(),
    work: () => store.run(() => work(lane)),
  }
}

const noteAlias = (lane: Lane, n: number): string => `${lane.name}/note-${n}`

async function open(lane: Lane): Promise<Ledger | undefined> {
  try {
    return await Ledger.getByAlias(lane.name, { depth: 1 })
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

async function work(lane: Lane): Promise<never> {
  const first = (await open(lane)) ?? (await Object.assign(new Ledger(), { twin: new Ledger() }).makePersistent(lane.name))
  for (let n = first.n + 1; ; n++) {
    report({ say: 'begun', step: { n } })
    await transact(() => step(lane, n))
    report({ say: 'done', n })
  }
}

async function step(lane: Lane, n: number): Promise<void> {
  const ledger = await Ledger.getByAlias(lane.name, { depth: 1 })
  for (const one of [ledger, ledger.twin!]) Object.assign(one, { n, text: `${n} `.repeat(50) })
  ledger.rows.set({ kind: 'step', n }, { value: n })
  ledger.twin!.rows.add({ kind: 'sum', n: 0 }, 'count', 1)
  await Object.assign(new Note(), { n }).makePersistent(noteAlias(lane, n))
  if (n > NOTES) await (await Note.getByAlias(noteAlias(lane, n - NOTES))).deletePersistent()
}

async function check(lane: Lane): Promise<Extract<Report, { say: 'found' }>> {
  const findings = new Findings()
  const ledger = await open(lane)
  if (!ledger) {
    findings.steps([], lane.acknowledged, [])
    return findings.found([])
  }
  const { n, twin } = ledger
  if (n !== twin!.n) findings.add('torn', `one object is at ${n}, its twin at ${twin!.n}`)
  const rows: number[] = []
  for await (const [, { value }] of ledger.rows.range({ kind: 'step' })) rows.push(Number(value))
  findings.steps(
    rows,
    lane.acknowledged,
    lane.begun.map((s) => s.n),
  )
  if (rows.length !== n) findings.add('torn', `the objects are at ${n}, there are ${rows.length} rows`)
  const counted = Number((await twin!.rows.get({ kind: 'sum', n: 0 }))?.count ?? 0)
  if (counted > n) findings.add('doubled', `the counter is at ${counted} after ${n} steps`)
  if (counted < n) findings.add('lost', `the counter is at ${counted} after ${n} steps`)
  await checkNotes(lane, n, findings)
  return findings.found(rows)
}

async function checkNotes(lane: Lane, n: number, findings: Findings): Promise<void> {
  for (let i = Math.max(1, n - NOTES - 1); i <= n + 1; i++) {
    const stands = i > n - NOTES && i <= n
    const note = await Note.getByAlias(noteAlias(lane, i)).catch((error: unknown) => {
      if (error instanceof NotFoundError) return undefined
      throw error
    })
    if (Boolean(note) !== stands) findings.add('torn', `at ${n} note ${i} ${note ? 'stands' : 'is missing'}`)
    if (note && note.n !== i) findings.add('torn', `note ${i} holds ${note.n}`)
  }
}
