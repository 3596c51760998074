import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { stripsTypes } from '../../runtime/import-module.js'
import { assertOk, type Ended, node } from '../integration/processes.js'
import { notRun } from '../tools/not-run.js'
import { filesBelow, root } from '../tools/test-files.js'
import { noPathsOfOneMachine } from '../tools/tidy-laws.js'
import { isOffline, npm, ONE_QUICK_RETRY } from './npm.js'

/**
 * What users get: the package is packed, installed into an empty project, compiled against under both module resolutions, and run.
 * It is packed as `dist` stands; `npm test` has just built it.
 */

const exec = promisify(execFile)

/** Nobody who stays on a file pays for these. */
const DRIVERS = ['ioredis', 'cassandra-driver', 'bullmq']

/** What an install may weigh: a few times what it does, so that only a mistake (a bundled driver, a forgotten folder) passes it. */
const MIB = 1024 * 1024
const TARBALL_BYTES_MAX = MIB
const PACKAGE_BYTES_MAX = 4 * MIB
const INSTALL_BYTES_MAX = 48 * MIB

interface Build {
  readonly name: string
  /** Output folders differ, the classes are the same: both are left out of a class's name. */
  readonly out: string
  readonly options: Readonly<Record<string, unknown>>
}

const BUILDS: readonly Build[] = [
  { name: 'module nodenext, TC39 decorators', out: 'dist', options: { module: 'nodenext' } },
  {
    name: 'moduleResolution bundler, legacy decorators',
    out: 'build',
    options: { module: 'esnext', moduleResolution: 'bundler', experimentalDecorators: true },
  },
]

/** Types alone, no decorators: what Node takes away by itself. */
const NOTE_TS = `import { StorageObject, task } from 'insitu'
export class Note extends StorageObject {
  text: string = ''
}
export const lengthOf = task((note: Note): number => note.text.length)
`
const NOTES_TS = `import { main } from 'insitu'
import { lengthOf, Note } from './note.ts'
main(import.meta, async () => {
  const note: Note = Object.assign(new Note(), { text: 'abcdef' })
  await note.makePersistent('note', { ifExists: 'replace' })
  console.log(\`a note of \${await lengthOf(note)} characters\`)
})
`

/** As a careful user has it: nothing of our declarations is skipped. */
const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  types: ['node'],
}

describe('the package, installed into an empty project', function () {
  this.timeout(300_000)
  let folder: string
  let app: string
  let installed: string
  let tarball: string

  before(async function () {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'insitu-package-')))
    app = join(folder, 'app')
    installed = join(app, 'node_modules/insitu')
    mkdirSync(app)
    writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module' }))
    tarball = await pack(folder)
    try {
      await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', ...ONE_QUICK_RETRY, tarball], app)
    } catch (error) {
      if (isOffline(error)) notRun(this, 'the npm registry cannot be reached, and the dependencies are not in the cache')
      throw error
    }
    symlinkSync(join(root, 'node_modules/@types'), join(app, 'node_modules/@types'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** Compiles src/`from` of the project; gives what the compiler says, one error a line. */
  async function compile(from: string, { out, options }: Pick<Build, 'out' | 'options'>): Promise<readonly string[]> {
    const compilerOptions = { ...STRICT, ...options, rootDir: join('src', from), outDir: out }
    const config = `tsconfig.${from}.${out}.json`
    writeFileSync(join(app, config), JSON.stringify({ compilerOptions, include: [join('src', from)] }))
    const { stdout } = await node([join(root, 'node_modules/typescript/bin/tsc'), '-p', config, '--pretty', 'false'], { cwd: app })
    return stdout.split('\n').filter((line) => line !== '')
  }

  const run = (file: string, storage: string): Promise<Ended> => node([join(app, file)], { storage, stateFolder: folder, cwd: app })
  async function answer(file: string, storage: string): Promise<Record<string, unknown>> {
    const { stdout, stderr } = assertOk(await run(file, storage))
    if (stdout === '') throw new Error(`${file} ended well and said nothing: ${stderr}`)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  describe('what is in it', () => {
    const shipped = (): readonly string[] => filesBelow(installed).map((path) => relative(installed, path).split(sep).join('/'))

    it('the licence, the readme, and the pages that the readme links to', () => {
      expect(shipped()).to.include.members(['LICENSE', 'README.md', 'package.json'])
      const links = [...readFileSync(join(installed, 'README.md'), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, to = '']) => to)
      expect(links).to.not.be.empty
      for (const link of links) expect(existsSync(join(installed, link)), `${link} of README.md`).to.equal(true)
    })

    it('no tests but the conformance suite, and no sources but the examples', () => {
      expect(shipped().filter((path) => /(?:^|\/)(?:test|bench)\/(?!conformance\/)/.test(path))).to.deep.equal([])
      expect(shipped().filter((path) => /\.m?ts$/.test(path) && !/\.d\.ts$|^examples\//.test(path))).to.deep.equal([])
    })

    it('no path of the machine that packed it, and no registry', async () => {
      const { stdout } = await npm(['config', 'get', 'registry'], app)
      const hosts = [new URL(stdout.trim()).host, 'registry.npmjs.org']
      const texts = new Map(shipped().map((path) => [path, readFileSync(join(installed, path), 'utf8')]))
      const found = [...texts].filter(([, text]) => hosts.some((host) => text.includes(host)) || namesPath(text, root))
      expect(found.map(([path]) => path)).to.deep.equal([])
      expect(noPathsOfOneMachine(root)(texts)).to.deep.equal([])
    })

    it('weighs what a file-only user can bear', async () => {
      const bytes = { tarball: (await stat(tarball)).size, package: weight(installed), install: weight(join(app, 'node_modules')) }
      const said = Object.entries(bytes).map(([what, n]) => `${what} ${(n / MIB).toFixed(2)} MiB`)
      process.stdout.write(`package  ${said.join(', ')}\n`)
      expect(bytes.tarball).to.be.below(TARBALL_BYTES_MAX)
      expect(bytes.package).to.be.below(PACKAGE_BYTES_MAX)
      expect(bytes.install).to.be.below(INSTALL_BYTES_MAX)
    })
  })

  describe('its types', () => {
    before(() => {
      cpSync(join(root, 'test/types'), join(app, 'src/types'), { recursive: true, filter: (path) => !path.endsWith('.json') })
      cpSync(join(root, 'test/package/programs'), join(app, 'src/programs'), { recursive: true })
    })

    for (const build of BUILDS)
      it(`right uses compile, wrong ones do not: ${build.name}`, async () => {
        expect(await compile('types', { ...build, out: 'types' })).to.deep.equal([])
      })

    it("compile without Node's types, against the libraries that a project has which asks for none", async () => {
      const nothing = { lib: undefined, types: [], noEmit: true }
      for (const { options } of BUILDS)
        expect(await compile('types', { out: 'plain', options: { ...options, ...nothing } })).to.deep.equal([])
    })

    it('every wrong use is an error of its own, and says the reason where the types can', async () => {
      cpSync(join(app, 'src/types/model.ts'), join(app, 'src/refused/model.ts'))
      const refusals = readFileSync(join(app, 'src/types/refusals.ts'), 'utf8')
      writeFileSync(join(app, 'src/refused/refusals.ts'), refusals.replace(/@ts-expect-error/g, ''))
      const errors = await compile('refused', { out: 'refused', options: { module: 'nodenext', noEmit: true } })
      const places = new Set(errors.map((line) => /^src\/refused\/refusals\.ts\((\d+),/.exec(line)?.[1]).filter(Boolean))
      expect([...places].map(Number)).to.deep.equal(linesAfter(refusals, '@ts-expect-error'))
      expect(errors.join('\n')).to.include('a task method must be async')
    })

    it('every entry has declarations and can be imported', async () => {
      const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
      // The types of a driver come with the driver, which this project has not installed.
      const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json') && entry !== './backends/redis')
      const names = entries.map((entry) => entry.replace(/^\./, 'insitu'))
      expect(names).to.include.members(['insitu', 'insitu/runtime', 'insitu/backends/nvram', 'insitu/testing'])
      mkdirSync(join(app, 'src/entries'))
      const imports = names.map((name, i) => `import * as e${i} from '${name}'\n`).join('')
      const counts = names.map((_, i) => `Object.keys(e${i}).length`).join(', ')
      writeFileSync(join(app, 'src/entries/all.ts'), `${imports}console.log(JSON.stringify([${counts}]))\n`)
      for (const { options } of BUILDS) expect(await compile('entries', { out: 'entries', options })).to.deep.equal([])
      const exported = JSON.parse(assertOk(await run('entries/all.js', 'memory:')).stdout) as number[]
      for (const [i, name] of names.entries()) expect(exported[i], `exports of ${name}`).to.be.above(0)
    })
  })

  describe('a program of it', () => {
    const LMDB = /^@lmdb\//
    let store: string

    before(async () => {
      store = `nvram:${join(folder, 'store')}`
      for (const build of BUILDS) expect(await compile('programs', build), build.name).to.deep.equal([])
    })

    it('no driver was installed with it', () => {
      const modules = filesBelow(join(app, 'node_modules')).filter((path) => !path.includes(`${sep}@types${sep}`))
      const drivers = modules.filter((path) => DRIVERS.some((driver) => path.includes(`${sep}node_modules${sep}${driver}${sep}`)))
      expect(drivers).to.deep.equal([])
    })

    it('runs tasks on a file, and loads no driver even where one is installed', async () => {
      const traces = join(folder, 'loaded')
      for (const driver of DRIVERS) plantDriver(join(app, 'node_modules', driver), traces)
      const { natives, ...rest } = await answer('dist/program.js', store)
      expect(rest).to.deep.equal({
        length: 3,
        sizes: [2, 2, 2],
        rows: [
          ['a', 3],
          ['b', 2],
          ['c', 2],
        ],
        done: 7,
      })
      expect(natives).to.satisfy((paths: string[]) => paths.some((path) => LMDB.test(path)), 'the file is read by lmdb')
      expect(existsSync(traces), 'a driver was loaded').to.equal(false)
      // and a driver that is loaded leaves its trace
      for (const driver of DRIVERS) assertOk(await node(['-e', `import('${driver}')`], { cwd: app }))
      expect(
        readFileSync(traces, 'utf8')
          .trim()
          .split('\n')
          .map((path) => basename(path)),
      ).to.deep.equal(DRIVERS)
    })

    it('another process with another build of its classes finds what it left', async () => {
      expect(await answer('build/again.js', store)).to.deep.equal({
        title: 'three texts',
        since: '1970-01-01T00:00:00.000Z',
        texts: ['a b a', 'b c', 'c a'],
        a: 3,
        places: 1,
      })
    })

    it('runs on memory without loading lmdb', async () => {
      const { natives, done } = await answer('build/program.js', 'memory:')
      expect(done).to.equal(7)
      expect((natives as string[]).filter((path) => LMDB.test(path))).to.deep.equal([])
    })

    it('npx insitu run of a .ts program where nothing runs TypeScript says what to install, in a line', async function () {
      if (stripsTypes()) notRun(this, 'this Node runs .ts programs by itself')
      writeFileSync(join(app, 'app.ts'), 'console.log(1 as number)\n')
      const { code, stdout, stderr } = await node([join(installed, 'dist/runtime/cli/insitu.js'), 'run', 'app.ts'], { cwd: app })
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
      expect(stderr).to.match(/^insitu: .*npm i -D tsx.*\n$/)
    })

    it('npx insitu run of .ts programs needs nothing more where Node itself runs TypeScript, in workers too', async function () {
      if (!stripsTypes()) notRun(this, 'this Node runs no .ts programs by itself')
      writeFileSync(join(app, 'note.ts'), NOTE_TS)
      writeFileSync(join(app, 'notes.ts'), NOTES_TS)
      const { code, stdout, stderr } = await node([join(installed, 'dist/runtime/cli/insitu.js'), 'run', 'notes.ts'], { cwd: app })
      expect({ code, stdout }, stderr).to.deep.equal({ code: 0, stdout: 'a note of 6 characters\n' })
    })

    it('npx insitu says how it is used, which version it is, and what is stored', async () => {
      const npx = (...args: string[]): Promise<{ stdout: string }> => exec('npx', ['--no-install', 'insitu', ...args], { cwd: app })
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
      expect((await npx('--help')).stdout).to.match(/^Usage: insitu .*\n/)
      expect((await npx('--version')).stdout).to.equal(`${version}\n`)
      const lines = (await npx('ls', '--json', '--storage', store)).stdout.trim().split('\n')
      expect(lines.map((line) => (JSON.parse(line) as { alias: string }).alias)).to.deep.equal(['experiment1', 'result1'])
    })
  })
})

/** Without scripts: `prepare` would build under the feet of whatever else uses `dist`. */
async function pack(into: string): Promise<string> {
  const { stdout } = await npm(['pack', '--ignore-scripts', '--silent', '--pack-destination', into], root)
  return join(into, stdout.trim())
}

/** Whether an absolute path stands in a text, and not just the end of a longer relative one. */
const namesPath = (text: string, path: string): boolean =>
  text.split(path).some((before, i, all) => i < all.length - 1 && !/[\w.]$/.test(before))

/** Numbers of the lines behind those that hold `word`, from 1. */
const linesAfter = (text: string, word: string): readonly number[] =>
  text.split('\n').flatMap((line, i) => (line.includes(word) ? [i + 2] : []))

/** A package that writes its folder into `traces` when it is loaded, in whatever thread. */
function plantDriver(at: string, traces: string): void {
  mkdirSync(at)
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: basename(at), version: '0.0.0', main: 'index.js' }))
  writeFileSync(join(at, 'index.js'), `require('node:fs').appendFileSync(${JSON.stringify(traces)}, __dirname + '\\n')\n`)
}

/** Bytes of all files; the compiler's types are the test's own. */
const weight = (below: string): number =>
  filesBelow(below)
    .filter((path) => !path.includes(`${sep}node_modules${sep}@types${sep}`))
    .reduce((sum, path) => sum + readFileSync(path).length, 0)
