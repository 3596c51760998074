import type { Case } from './case.js'
import { conformanceCases } from './cases.js'
import { type ConformanceFactory, ConformanceSession, type Outcome } from './session.js'

export interface ConformanceOptions {
  /** Which cases to run; all when left out. */
  readonly filter?: (one: Case) => boolean
  /** Called after each case. */
  readonly onCase?: (outcome: Outcome) => void
  /** How long one case may take. */
  readonly caseMs?: number
}

export interface Report {
  readonly backend: string
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly { readonly case: string; readonly why: string }[]
  readonly failures: readonly { readonly case: string; readonly error: unknown }[]
}

/**
 * Runs the suite on a backend:
 *
 *     const report = await runConformance(() => ({ name: 'mine', open: () => new MyBackend(url) }))
 *     assert.equal(report.failed, 0)
 */
export async function runConformance(factory: ConformanceFactory, options: ConformanceOptions = {}): Promise<Report> {
  const session = await ConformanceSession.start(factory, options.caseMs)
  const outcomes: Outcome[] = []
  try {
    for (const one of conformanceCases) {
      if (options.filter && !options.filter(one)) continue
      const outcome = await session.run(one)
      outcomes.push(outcome)
      options.onCase?.(outcome)
    }
  } finally {
    await session.close()
  }
  return report(session.subject.name, outcomes)
}

function report(backend: string, outcomes: readonly Outcome[]): Report {
  return {
    backend,
    passed: outcomes.filter((o) => o.result === 'passed').length,
    failed: outcomes.filter((o) => o.result === 'failed').length,
    skipped: outcomes.flatMap((o) => (o.result === 'skipped' ? [{ case: o.case.id, why: o.why }] : [])),
    failures: outcomes.flatMap((o) => (o.result === 'failed' ? [{ case: o.case.title, error: o.error }] : [])),
  }
}
