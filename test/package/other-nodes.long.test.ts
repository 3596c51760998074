/** On the Nodes that people run, and not only on the one that runs these tests: their binaries come from the npm registry. */
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'
import { isOffline, isUnknown, npm, ONE_QUICK_RETRY } from './npm.js'

const exec = promisify(execFile)

/** Those with long-term support behind the one that package.json asks for. */
const NODES = ['22', '24', '26']

const TESTS = ['package/package', 'integration/runtime-values', 'unit/runtime-settings'].map((name) =>
  join(root, `dist/test/${name}.test.js`),
)
const CONFORMANCE = join(root, 'dist/test/conformance/run.js')

describe('on Node', function () {
  this.timeout(1_200_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-nodes-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  for (const version of NODES)
    it(`${version}: the package, its tasks and its stores do what they do here`, async function () {
      const home = join(folder, version)
      const node = await binary(home, version).catch((error: unknown): never => {
        if (isOffline(error)) notRun(this, 'the npm registry cannot be reached')
        if (isUnknown(error)) notRun(this, `the npm registry has no Node ${version} for ${process.platform} on ${process.arch}`)
        throw error
      })
      await ends(node, [join(root, 'dist/test/tools/test.js'), ...TESTS])
      for (const store of ['memory:', `nvram:${join(home, 'store')}`]) await ends(node, [CONFORMANCE, store])
    })
})

/** Gives its path. */
async function binary(home: string, version: string): Promise<string> {
  await mkdir(home)
  const name = `node-${process.platform}-${process.arch}@${version}`
  const { stdout } = await npm(['pack', '--loglevel=error', ...ONE_QUICK_RETRY, name], home)
  await exec('tar', ['-xzf', stdout.trim()], { cwd: home })
  return join(home, 'package/bin/node')
}

/** Ends well: programs that it starts by the name of `node` are the same one. */
async function ends(node: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  const child = spawn(node, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  expect(code, output.split('\n').slice(-60).join('\n')).to.equal(0)
}
