import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { type Ended, insitu, node } from './processes.js'

const entry = join(root, 'dist/runtime/index.js')

/** Programs as people write them: each in a folder of its own, run by Node or by `insitu run`. */
describe('programs with tasks', function () {
  this.timeout(60_000)
  let folder: string
  let n = 0

  before(async () => {
    // A folder with blanks and signs that urls escape.
    folder = join(await mkdtemp(join(tmpdir(), 'insitu-programs-')), 'a b%20#c')
  })
  after(() => rm(join(folder, '..'), { recursive: true, force: true }))

  async function files(sources: Readonly<Record<string, string>>): Promise<string> {
    const at = join(folder, String(n++))
    await mkdir(at, { recursive: true })
    for (const [name, text] of Object.entries(sources))
      await writeFile(
        join(at, name),
        text.replaceAll('DEFAULT', 'default').replaceAll('INSITU', name.endsWith('.cjs') ? entry : pathToFileURL(entry).href),
      )
    return at
  }

  const env = { INSITU_WORKERS: '2', INSITU_STORAGE: 'memory:' }
  const run = async (sources: Readonly<Record<string, string>>, more: Readonly<Record<string, string>> = {}): Promise<Ended> => {
    const at = await files(sources)
    return node([join(at, Object.keys(sources)[0]!)], { cwd: at, env: { ...env, ...more } })
  }
  const runTs = async (sources: Readonly<Record<string, string>>): Promise<Ended> => {
    const at = await files(sources)
    return insitu(['run', join(at, Object.keys(sources)[0]!)], { cwd: at, env })
  }

  const program = (body: string): string => `
    import { barrier, main, stats } from 'INSITU'
    import * as t from './tasks.mjs'
    main(import.meta, async () => { ${body} })`
  const TASKS = `
    import { task } from 'INSITU'
    export const twice = task((x) => 2 * x)
    export const fail = task((text) => { throw new RangeError(text) })
    export const slowly = task((ms) => new Promise((resolve) => setTimeout(resolve, ms)))`

  it('a program that starts by main() may hold its tasks, and runs once', async () => {
    const { stdout, stderr, code } = await run({
      'app.mjs': `
        import { main, task } from 'INSITU'
        export const twice = task((x) => 2 * x)
        main(import.meta, async () => { console.log('main', await twice(4)) })`,
    })
    expect([code, stdout, stderr]).to.deep.equal([0, 'main 8\n', ''])
  })

  it('a program without main() that holds its tasks is told so, and does not run again in workers', async () => {
    const { stdout, stderr, code } = await run({
      'app.mjs': `
        import { connect, task } from 'INSITU'
        console.log('begins')
        await connect()
        export const twice = task((x) => 2 * x)
        console.log(await twice(4))`,
    })
    expect([code, stdout]).to.deep.equal([1, 'begins\n'])
    expect(stderr).to.include('ERR_TASK_IN_PROGRAM').and.to.include('main(import.meta')
  })

  it('without main(), tasks of other modules work, and the process ends by itself', async () => {
    const { stdout, code } = await run({
      'app.mjs': `
        import { connect, finish } from 'INSITU'
        import { twice } from './tasks.mjs'
        await connect()
        console.log(await twice(4))
        await finish()`,
      'tasks.mjs': TASKS,
    })
    expect([code, stdout]).to.deep.equal([0, '8\n'])
  })

  it('a program that ends without a barrier finishes its tasks, and tells failures that nobody awaited', async () => {
    const { stderr, code } = await run({
      'app.mjs': `
        import { connect } from 'INSITU'
        import { fail, slowly } from './tasks.mjs'
        await connect()
        slowly(50); fail('nobody waits')`,
      'tasks.mjs': TASKS,
    })
    expect(code).to.equal(1)
    expect(stderr).to.include('nobody waits')
  })

  it('a program that throws ends at once with code 1, whatever its tasks do', async () => {
    const { stderr, code } = await run({
      'app.mjs': program(`t.slowly(600_000); throw new TypeError('of the program')`),
      'tasks.mjs': TASKS,
    })
    expect(code).to.equal(1)
    expect(stderr).to.include('TypeError: of the program')
  })

  it('a failure that nobody awaited makes the exit code 1', async () => {
    const { stderr, code } = await run({ 'app.mjs': program(`t.fail('unawaited'); await t.twice(1)`), 'tasks.mjs': TASKS })
    expect([code, stderr.includes('RangeError: unawaited')]).to.deep.equal([1, true])
  })

  it('a program that insitu runs ends with code 3 where its store cannot be used, with 2 where the url is none', async () => {
    for (const calls of ['await t.twice(1)', 't.twice(1); t.twice(2)']) {
      const at = await files({ 'app.mjs': program(calls), 'tasks.mjs': TASKS })
      const ended = await Promise.all(
        ['redis://127.0.0.1:1', 'foo:bar'].map((url) => insitu(['run', '--storage', url, join(at, 'app.mjs')], { cwd: at, env })),
      )
      expect(
        ended.map(({ code }) => code),
        calls,
      ).to.deep.equal([3, 2])
      expect(ended[0]!.stderr).to.include('the server cannot be reached')
      expect(ended[1]!.stderr).to.include('is not a store')
    }
  })

  it('a failure is told with the places in the program, without ours', async () => {
    const tasks = `${TASKS}
      class Sad extends Error { detail = { deep: [1] } }
      export const sad = task(() => { throw new Sad('of a task', { cause: new TypeError('below') }) })`
    const app = { 'app.mjs': program('await Promise.all([t.sad(), t.sad()])'), 'tasks.mjs': tasks }
    const unawaited = { 'app.mjs': program('t.fail("one"); t.fail("two")'), 'tasks.mjs': tasks }
    for (const source of [app, unawaited]) {
      const { stderr } = await run(source)
      const places = stderr.split('\n').filter((line) => line.trimStart().startsWith('at '))
      expect(places.length).to.be.greaterThan(1)
      for (const place of places) expect(place).to.match(/(app|tasks)\.mjs/)
      expect(stderr.split('{').length, 'braces that open').to.equal(stderr.split('}').length)
    }
    const { stderr } = await run(app)
    expect(stderr).to.match(/^\w+: of a task$/m)
    expect(stderr).to.include('detail: { deep: [ 1 ] }')
    expect(stderr).to.match(/\[cause\]: TypeError: below/)
  })

  it('default exports, groups of tasks, modules that wait at their top, and CommonJS', async () => {
    const { stdout, stderr, code } = await run({
      'app.cjs': `
        const { main, connect, barrier, finish } = require('INSITU')
        const { plus, group } = require('./common.cjs')
        void (async () => {
          await connect()
          const { default: times } = await import('./default.mjs')
          const { slow } = await import('./waits.mjs')
          console.log(await plus(1, 2), await group.minus(5, 2), await times(3, 4), await slow(5))
          await finish()
        })()`,
      'common.cjs': `
        const { task } = require('INSITU')
        exports.plus = task((a, b) => a + b)
        exports.group = { minus: task((a, b) => a - b) }`,
      'default.mjs': `
        import { task } from 'INSITU'
        const times = task((a, b) => a * b)
        export { times as DEFAULT }`,
      'waits.mjs': `
        import { task } from 'INSITU'
        const base = await new Promise((resolve) => setTimeout(() => resolve(100), 20))
        export const slow = task((x) => base + x)`,
    })
    expect([stderr, code, stdout]).to.deep.equal(['', 0, '3 3 12 105\n'])
  })

  it('tasks that one function makes are told apart, also those that tasks call, and static ones of a class', async () => {
    const tasks = `
      import { task } from 'INSITU'
      const times = (k) => task((x) => x * k)
      export const [twice, thrice] = [times(2), times(3)]
      export const both = task(async (x) => [await twice(x), await thrice(x), ...(await Promise.all([twice(x), thrice(x)]))])
      export class Sums { static plus = task((x) => x + 1) }
      export const late = () => times(4)`
    const body = 'console.log(JSON.stringify([await t.twice(5), await t.thrice(5), await t.both(5), await t.Sums.plus(5)]))'
    const { stdout } = await run({ 'app.mjs': program(body), 'tasks.mjs': tasks })
    expect(JSON.parse(stdout)).to.deep.equal([10, 15, [10, 15, 10, 15], 6])
    const { stderr } = await run({ 'app.mjs': program('await t.late()(5)'), 'tasks.mjs': tasks })
    expect(stderr, 'made after the module was loaded').to.include('ERR_TASK_NOT_EXPORTED')
  })

  it('a module that fails in workers, or calls tasks while it loads, is named', async () => {
    const { stdout, code } = await run({
      'app.mjs': `
        import { connect, finish } from 'INSITU'
        import { never } from './breaks.mjs'
        import { early } from './calls.mjs'
        await connect()
        for (const t of [never, early]) await t().catch((e) => console.log(e.code, e.cause?.message ?? e.message, e.message.includes(e.url)))
        await finish()`,
      'breaks.mjs': `
        import { isMainThread } from 'node:worker_threads'
        import { task } from 'INSITU'
        if (!isMainThread) throw new Error('not here')
        export const never = task(() => 1)`,
      'calls.mjs': `
        import { isMainThread } from 'node:worker_threads'
        import { task } from 'INSITU'
        export const early = task(() => 1)
        if (!isMainThread) await early()`,
    })
    expect(code).to.equal(0)
    expect(stdout).to.match(
      /^ERR_TASK_MODULE not here true\nERR_TASK_MODULE a task \(.*calls.mjs:\d+\) was called while a worker loaded a module/,
    )
  })

  it('TypeScript with decorators, enums and own errors, by insitu run', async () => {
    const { stdout, stderr, code } = await runTs({
      'app.ts': `
        import { main, StorageObject, task } from 'INSITU'
        import { Own, twice, wrong, type Pair } from './tasks.js'
        export class Point extends StorageObject {
          x = 1
          @task.method({ target: 'INOUT' }) async move(by: number): Promise<number> { return (this.x += by) }
        }
        export const norm = task((p: Point, [a, b]: Pair): number => Math.hypot(p.x, a + b))
        main(import.meta, async () => {
          const p = await new Point().makePersistent()
          await p.move(2)
          console.log(await norm(p, [2, 2]), await twice(21))
          await wrong().catch((e: unknown) => console.log(e instanceof Own))
        })`,
      'tasks.ts': `
        import { task } from 'INSITU'
        export type Pair = readonly [number, number]
        export enum Sign { Plus = 2 }
        export class Own extends Error { constructor(readonly field: number) { super('own') } }
        export const twice = task((x: number): number => x * Sign.Plus)
        export const wrong = task((): number => { throw new Own(1) })`,
      'package.json': '{"type":"module"}',
      'tsconfig.json': '{"compilerOptions":{"target":"es2022","module":"nodenext"}}',
    })
    expect([stderr, code, stdout]).to.deep.equal(['', 0, '5 42\ntrue\n'])
  })

  it('SIGINT ends a program with code 130 and leaves what was committed', async () => {
    const at = await files({
      'app.mjs': program(`
        const note = await new t.Note().makePersistent('note')
        console.log(await t.write(note, 'by a task'))
        note.text = 'never saved'
        await t.slowly(60_000)`),
      'tasks.mjs': `${TASKS}
        import { INOUT, StorageObject } from 'INSITU'
        export class Note extends StorageObject { text = '' }
        export const write = task((note, text) => { note.text = text }, { args: [INOUT] })`,
    })
    const on = { cwd: at, storage: 'nvram:store', env: { INSITU_WORKERS: '2' } }
    const child = spawn(process.execPath, [join(root, 'dist/runtime/cli/insitu.js'), 'run', join(at, 'app.mjs')], {
      cwd: at,
      env: { ...process.env, ...on.env, INSITU_STORAGE: on.storage },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).to.equal(130)
    const left = await insitu(['get', 'note', '--json'], on)
    expect([left.code, left.stdout]).to.deep.equal([0, '{"text":"by a task"}\n'])
  })

  it('a program that has tasks and calls none ends', async () => {
    const app = `
      import { main, task } from 'INSITU'
      export const never = task(() => 1)
      main(import.meta, () => console.log('idle'))`
    const { code, stdout } = await run({ 'app.mjs': app })
    expect([code, stdout]).to.deep.equal([0, 'idle\n'])
  })

  it('a program whose workers cannot start says why, and ends', async () => {
    const env = { INSITU_STORAGE: 'memory:', INSITU_WORKER_HEAP_MB: '4' }
    const { code, stderr } = await node([join(root, 'dist/examples/quick-start/app.js')], { env })
    expect(code).to.equal(1)
    expect(stderr).to.match(/no worker can be started: .*memory/)
  })
})
