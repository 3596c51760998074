import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { claimHosts } from '../../runtime/hosts/hosts-folder.js'
import type { Backend } from '../../src/backend.js'
import { notRun } from '../tools/not-run.js'
import { BarringBackend } from './barring-backend.js'
import { brokenBackends } from './broken-backends.js'
import { conformanceCases } from './cases.js'
import { runConformance } from './conformance.js'
import { ScrambledBackend } from './scrambled-backend.js'
import { type ConformanceFactory, ConformanceSession, type Subject } from './session.js'
import { instanceSubject, subjectAt } from './subjects.js'

const subjects: Record<string, ConformanceFactory> = {
  memory: () => instanceSubject('memory:?private'),
  'memory, three domains': () => instanceSubject('memory:?domains=3&private'),
  nvram: () => inTemporaryFolder((folder) => subjectAt(`nvram:${folder}`)()),
  'nvram, three hosts without agents': () =>
    inTemporaryFolder((folder) => {
      claimHosts(folder, 3)
      return { name: 'hosts', open: () => `nvram:${folder}` }
    }),
  'nvram, scrambled': () => inTemporaryFolder((folder) => instanceSubject(`nvram:${folder}`, (backend) => new ScrambledBackend(backend))),
}

async function inTemporaryFolder(make: (folder: string) => Subject | Promise<Subject>): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-conformance-'))
  const subject = await make(folder)
  return {
    name: subject.name,
    open: () => subject.open(),
    async drop() {
      await subject.drop?.()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const ENDING = 'B80 B81 B82 B83'
/** What only a store has whose data outlive its instance, whose rows and objects take intents of many, that lists what stands in it. All else runs on each of them. */
const leftOut: Record<string, string> = {
  memory: `B28 ${ENDING} D41`,
  'memory, three domains': `B28 ${ENDING} D41`,
  nvram: `B77 B79 ${ENDING} I440 I441`,
  'nvram, three hosts without agents': `B77 B79 ${ENDING} I440 I441`,
  'nvram, scrambled': `B28 B77 B79 ${ENDING} D41 I440 I441 I554 I568`,
}

for (const [name, factory] of Object.entries(subjects)) {
  describe(`conformance: ${name}`, function () {
    this.timeout(120_000)
    let session: ConformanceSession
    before(async () => {
      session = await ConformanceSession.start(factory)
    })
    after(() => session.close())
    it(`runs all cases but ${leftOut[name]}`, async () => {
      const reasons = await Promise.all(conformanceCases.map(async (one) => [one.id, await session.whySkipped(one)] as const))
      const skipped = reasons.flatMap(([id, why]) => (why === undefined ? [] : [id]))
      assert.equal(skipped.sort().join(' '), leftOut[name])
    })
    for (const one of conformanceCases) {
      it(one.title, async function () {
        const outcome = await session.run(one)
        if (outcome.result === 'failed') throw outcome.error
        if (outcome.result === 'skipped') notRun(this, outcome.why)
      })
    }
  })
}

/** Which cases catch which broken backend. */
const catches: Record<keyof typeof brokenBackends, readonly string[]> = {
  AnswersInStoreOrder: ['B1', 'B8', 'B11', 'B13'],
  AppendsAgain: ['I164', 'I169'],
  AppliesHalf: ['B8', 'B12', 'B50'],
  BarsNothing: ['B81', 'B83'],
  BarsWhatIsDone: ['B80', 'B82', 'B83'],
  ChecksHeldRows: ['B79'],
  ComparesRevisionsOnly: ['B7'],
  DropsIntents: ['B16', 'B17'],
  EmptiesFurtherColumns: ['B75', 'B76'],
  EndsRowIntents: ['B77'],
  EndsScansEarly: ['B48', 'B49'],
  FlattensNumbers: ['B2'],
  ForgetsAliases: ['B13', 'B25'],
  ForgetsReceipts: ['B4', 'B9', 'B10', 'B45'],
  IgnoresCheckedRows: ['B78', 'B79', 'I195', 'I197', 'I198', 'I199'],
  IgnoresClocks: ['B42', 'B43'],
  IgnoresExpect: ['B5', 'B7'],
  IgnoresReverse: ['B47'],
  IncludesTheEnd: ['B47'],
  KeepsFirstRow: ['B42', 'B43', 'B44', 'B45', 'B50'],
  KeepsRemoved: ['B11', 'B24'],
  KnowsEveryPlace: ['B26'],
  LosesAdds: ['B46'],
  LosesEveryTenthCommit: ['B21', 'B22', 'B24'],
  LosesLastPut: ['B8'],
  NeverDeliversAgain: ['I163'],
  OverwritesAliases: ['B13'],
  OverwritesMarks: ['B14'],
  PiecesOverlap: ['B49', 'H67', 'H70', 'H71', 'H75'],
  PromisesEverything: ['B27'],
  ReadsStale: ['B16', 'B17', 'B22', 'B23'],
  ScansUnordered: ['B47', 'B48', 'B51'],
  SharesBuffers: ['B23'],
  SharesNoItems: ['C43', 'I162'],
  TakesAnySchema: ['B40'],
}

describe('conformance: broken backends are caught', function () {
  this.timeout(120_000)
  for (const [name, Broken] of Object.entries(brokenBackends) as [keyof typeof brokenBackends, (typeof brokenBackends)['AppliesHalf']][]) {
    it(`${name} fails ${catches[name].join(', ')}`, async () => {
      const report = await runConformance(() => instanceSubject('memory:?private', (backend) => new Broken(backend)), {
        filter: (one) => catches[name].includes(one.id),
        caseMs: 3000,
      })
      assert.deepEqual(report.failures.map((f) => f.case.split(' ')[0]).sort(), [...catches[name]].sort())
      assert.ok(report.failed > 0)
    })
  }
})

describe('conformance: the suite itself', () => {
  it('has unique numbers and titles, and each title begins with its number', () => {
    const ids = conformanceCases.map((one) => one.id)
    const titles = conformanceCases.map((one) => one.title)
    assert.equal(new Set(ids).size, ids.length)
    assert.equal(new Set(titles).size, titles.length)
    for (const { id, title } of conformanceCases) assert.ok(title.startsWith(`${id} `), title)
    assert.ok(ids.length >= 140)
  })

  it('has cases for members that no store in this process has', async () => {
    for (const wrap of [
      (backend: Backend) => new BarringBackend(backend),
      (backend: Backend) => new ScrambledBackend(new BarringBackend(backend)),
    ]) {
      const report = await runConformance(() => instanceSubject('memory:?private', wrap), { filter: ({ id }) => /^B8[0-3]$/.test(id) })
      assert.deepEqual([report.passed, report.failures], [4, []])
    }
  })

  it('a failing case fails the report', async () => {
    const report = await runConformance(() => instanceSubject('memory:?private', (backend) => new brokenBackends.KeepsRemoved(backend)), {
      filter: (one) => one.id === 'C2' || one.id === 'C1',
    })
    assert.deepEqual([report.passed, report.failed], [1, 1])
  })
})
