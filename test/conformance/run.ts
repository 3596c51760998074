/** `npm run conformance -- URL [--json] [--only TEXT]`: the suite on any url. */
import { parseArgs } from 'node:util'
import { InsituError } from '../../src/errors.js'
import { runConformance } from './conformance.js'
import type { Outcome } from './session.js'
import { subjectAt } from './subjects.js'

const USAGE = `usage: npm run conformance -- URL [--json] [--only TEXT]

Runs the conformance suite on data of its own below URL (memory:, nvram:DIR, redis://…, cassandra://…) and removes it.
  --json        one line of JSON per case on stdout
  --only TEXT   only the cases whose title contains TEXT
The last line on stdout is {"backend","passed","failed","skipped":[{"case","why"}]}.`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, only: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [url] = positionals
  if (values.help || !url) {
    process.stderr.write(`${USAGE}\n`)
    return values.help ? 0 : 2
  }
  const { only } = values
  const report = await runConformance(subjectAt(url), {
    onCase: values.json ? printJson : printText,
    ...(only !== undefined && { filter: (one) => one.title.includes(only) }),
  })
  const { backend, passed, failed, skipped } = report
  if (only !== undefined && passed + failed + skipped.length === 0) {
    process.stderr.write(`no case has ${JSON.stringify(only)} in its title\n`)
    return 2
  }
  process.stdout.write(`${JSON.stringify({ backend, passed, failed, skipped })}\n`)
  return failed > 0 ? 1 : 0
}

function printText(outcome: Outcome): void {
  const { title } = outcome.case
  if (outcome.result === 'skipped') process.stderr.write(`  - ${title} (skipped: ${outcome.why})\n`)
  else process.stderr.write(`  ${outcome.result === 'passed' ? '✓' : '✗'} ${title} (${Math.round(outcome.ms)} ms)\n`)
  if (outcome.result === 'failed') process.stderr.write(`${stackOf(outcome.error).replace(/^/gm, '      ')}\n`)
}

function printJson(outcome: Outcome): void {
  const { case: one, ...rest } = outcome
  const line = { case: one.id, title: one.title, ...rest, ...('error' in rest && { error: stackOf(rest.error) }) }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? String(error)) : String(error))

try {
  process.exitCode = await main()
} catch (error) {
  const { code } = error as { code?: unknown }
  const isUsage = String(code).startsWith('ERR_PARSE_ARGS') || code === 'ERR_STORE_URL'
  const what = isUsage || error instanceof InsituError ? (error as Error).message : stackOf(error)
  process.stderr.write(`${what}\n${isUsage ? `${USAGE}\n` : ''}`)
  process.exitCode = isUsage ? 2 : 3
}
