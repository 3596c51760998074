/** The conformance suite on this backend: `node dist/examples/sqlite-backend/run-suite.js`. Ends with code 1 when a case fails. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runConformance, type Subject } from 'insitu/testing'
import './index.js'

/** Fresh data for one run. A url instead of a backend: each program of the suite opens it for itself, and so do worker threads. */
async function subject(): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-sqlite-'))
  return {
    name: 'sqlite',
    open: () => `sqlite:${folder}/data.db`,
    drop: () => rm(folder, { recursive: true, force: true }),
  }
}

const { passed, failed, skipped, failures } = await runConformance(subject)
for (const { case: title, error } of failures) console.error(`✗ ${title}\n`, error)
for (const { case: id, why } of skipped) console.log(`- ${id} skipped: ${why}`)
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
process.exitCode = failed > 0 ? 1 : 0
