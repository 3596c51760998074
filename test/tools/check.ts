import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pc from 'picocolors'
import { compiledTests, root, TEST_MS_MAX } from './test-files.js'

/**
 * `npm run check`: everything that needs no server and no crash, in under two minutes. All steps run, so that one look shows all
 * that is wrong; a step's output is shown only when it fails.
 */
interface Step {
  readonly name: string
  readonly bin: string
  readonly args: readonly string[]
}

/** oxlint is here for what needs types: an unawaited storage call is the mistake that costs most. Everything else is biome's. */
const PROMISE_RULES = ['no-floating-promises', 'no-misused-promises', 'await-thenable'].flatMap((rule) => ['-D', `typescript/${rule}`])

const mocha = (files: readonly string[]): readonly string[] => [
  '--reporter',
  join(root, 'dist/test/tools/reporter.js'),
  '--timeout',
  `${TEST_MS_MAX}`,
  '--exit',
  ...files,
]
const folders = ['src', 'backends', 'runtime', 'test', 'examples', 'bench'].filter((folder) => existsSync(join(root, folder)))

const steps: readonly Step[] = [
  { name: 'format', bin: '@biomejs/biome/bin/biome', args: ['format', '.'] },
  { name: 'lint', bin: '@biomejs/biome/bin/biome', args: ['lint', '--error-on-warnings', '.'] },
  { name: 'promises', bin: 'oxlint/bin/oxlint', args: ['--type-aware', '-A', 'all', ...PROMISE_RULES, ...folders] },
  { name: 'types', bin: 'typescript/bin/tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'types of the package, as its users compile', bin: 'typescript/bin/tsc', args: ['--noEmit', '-p', 'test/types/tsconfig.json'] },
  { name: 'tidy', bin: 'mocha/bin/mocha.js', args: mocha(compiledTests('test/tools')) },
  { name: 'random programs and their models', bin: 'mocha/bin/mocha.js', args: mocha(compiledTests('test/model')) },
  { name: 'unit tests', bin: 'mocha/bin/mocha.js', args: mocha(compiledTests('test/unit')) },
]

function run(step: Step): boolean {
  const startMs = performance.now()
  const done = spawnSync(process.execPath, [join(root, 'node_modules', step.bin), ...step.args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const ok = done.status === 0
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  process.stdout.write(`${ok ? pc.green('ok    ') : pc.red('failed')}  ${seconds.padStart(5)} s  ${step.name}\n`)
  if (!ok) process.stdout.write(`${done.stdout}${done.stderr}\n`)
  return ok
}

const failed = steps.filter((step) => !run(step))
process.stdout.write(failed.length === 0 ? 'check: all well\n' : `check: failed at ${failed.map((step) => step.name).join(', ')}\n`)
process.exitCode = failed.length === 0 ? 0 : 1
